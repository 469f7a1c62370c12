import { setTimeout as sleep } from 'node:timers/promises';
import { expect, expectThat } from '#stack/demo/expect.ts';
import { tellOperation } from '#stack/demo/operations.ts';
import { duration, type Step } from '#stack/demo/report.ts';
import type { LabScene } from '../scene.ts';

const NAME = 'demo-boot-vol';
const FLAVOR = 'm1.tiny';
/** A guest of an emulated machine. */
const BOOT_DEADLINE_MS = 180_000;

/** Boots a server from the volume, waits for what its init says, deletes it; the volume stays. */
export async function bootFromVolume(scene: LabScene, step: Step, volumeId: string): Promise<void> {
  const { client, lab } = scene;
  const began = performance.now();
  const since = (): string => duration(performance.now() - began);
  const { flavors } = (await client.ask('GET', '/compute/v2.1/flavors')).body as {
    flavors: readonly { id: string; name: string }[];
  };
  const flavorRef = flavors.find(({ name }) => name === FLAVOR)?.id;
  const mapping = { boot_index: 0, source_type: 'volume', destination_type: 'volume', uuid: volumeId };
  const { server } = await client.call(step, 'POST', '/compute/v2.1/servers', {
    server: { name: NAME, flavorRef, block_device_mapping_v2: [mapping], networks: 'none' },
  });
  await client.until(
    'server ACTIVE',
    `/compute/v2.1/servers/${server.id}`,
    ({ body }) => body?.server?.status === 'ACTIVE',
    {
      deadlineMs: BOOT_DEADLINE_MS,
      hopeless: ({ body }) => body?.server?.status === 'ERROR',
      seen: ({ body }) => [body?.server?.status, body?.server?.fault?.message],
    },
  );
  await tellOperation(client, step, volumeId, 'server.create');
  step.saw(`server ${NAME} is ACTIVE, ${since()} after the request`);

  const xml = await lab.compute.sh(`virsh dumpxml ${server.id}`);
  const disks = [...xml.matchAll(/<disk [\s\S]*?<\/disk>/g)].map(([disk]) => disk);
  expect('number of disks', disks.length, 1);
  expectThat('serial of its only disk', disks[0]!.includes(`<serial>${volumeId}<`), volumeId, disks[0]);
  step.saw('virsh dumpxml: one disk, the volume; no local one');

  const greeted = `guest: greeted vda serial=${volumeId.slice(0, 20)}`;
  await waitForConsole(scene, server.id, greeted, began);
  step.saw(`console log, ${since()} after the request: "${greeted}": it wrote hello.txt on its disk`);

  await client.call(step, 'DELETE', `/compute/v2.1/servers/${server.id}`);
  await client.until('404', `/compute/v2.1/servers/${server.id}`, ({ status }) => status === 404, {
    deadlineMs: BOOT_DEADLINE_MS,
  });
  await client.volumeIs(volumeId, 'available', { back: 'error', deadlineMs: BOOT_DEADLINE_MS });
  await tellOperation(client, step, volumeId, 'server.delete');
  step.saw('the server is gone and the volume is available');
}

async function waitForConsole(
  { client }: LabScene,
  serverId: string,
  line: string,
  began: number,
): Promise<void> {
  for (;;) {
    const { body } = await client.ask('POST', `/compute/v2.1/servers/${serverId}/action`, {
      'os-getConsoleOutput': { length: 20 },
    });
    const output = String(body?.output ?? '');
    if (output.includes(line)) return;
    expectThat('console log', performance.now() - began < BOOT_DEADLINE_MS, line, output);
    await sleep(500);
  }
}

/** What the server's init wrote while the volume was its root disk. */
export async function readGreeting(
  { lab }: LabScene,
  step: Step,
  volumeId: string,
  name: string,
): Promise<void> {
  const said = await lab.instance.command(`cat ${name} hello.txt`);
  expect('hello.txt', said, [`file hello from volume ${volumeId.slice(0, 20)}`]);
  step.saw(`demo-instance1 mounts /dev/${name} and reads hello.txt: "${said[0]!.replace('file ', '')}"`);
}
