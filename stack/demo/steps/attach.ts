import { expect, expectThat } from '../expect.ts';
import { diskOf, type ShownDisk, secrets, targets } from '../host.ts';
import { tellOperation } from '../operations.ts';
import { duration, type Step } from '../report.ts';
import { GIB, type Scene } from '../scene.ts';
import type { RunningGuest } from './guest.ts';
import type { Limits } from './types.ts';

/** virtio-blk has 20 bytes for a serial. */
const serialInGuest = (volumeId: string): string => volumeId.slice(0, 20);

export async function attachVolume(
  scene: Scene,
  step: Step,
  guest: RunningGuest,
  volumeId: string,
  limits: Limits,
): Promise<void> {
  const { client, stack } = scene;
  const { env } = stack;
  const mark = guest.console.mark;
  const began = performance.now();
  await client.call(step, 'POST', `/compute/v2.1/servers/${guest.id}/os-volume_attachments`, {
    volumeAttachment: { volumeId },
  });
  const volume = await client.volumeIs(volumeId, 'in-use', { back: 'available' });
  const took = performance.now() - began;
  await tellOperation(client, step, volumeId, 'volume.attach');
  expect(
    'the API’s attachment',
    [volume.attachments[0]?.server_id, volume.attachments[0]?.device],
    [guest.id, '/dev/vdb'],
  );
  step.saw(`in-use as /dev/vdb, ${duration(took)} after the request`);

  await guest.console.waitFor(
    new RegExp(`^guest: disk vdb added serial=${serialInGuest(volumeId)} bytes=${GIB}$`, 'm'),
    { mark },
  );
  const listed = (await guest.console.command('list')).find((line) => line.startsWith('disk vdb '));
  expect('the guest’s list', listed, `disk vdb serial=${serialInGuest(volumeId)} bytes=${GIB}`);
  step.saw(`guest console: /dev/vdb: ${listed}`);

  const [live, inactive] = await bothDisks(scene, guest, volumeId, limits);
  step.saw('virsh dumpxml: <disk> with serial and all four limits, the same in the --inactive XML');
  step.quote(live.xml);
  expect('device in the inactive XML', inactive.device, live.device);

  const target = (await targets(env)).find(({ name }) => name.endsWith(volumeId));
  expect('ACL of the target', target?.initiators, [env['BLOCKYARD_INITIATOR_NAME']]);
  step.saw(`tgtadm: ${target!.name}`);
  step.saw(`  ACL has exactly one entry, our initiator: ${target!.initiators.join()}`);
  const accounts = target!.accounts.filter((name) => !name.startsWith('guard:'));
  expect('number of CHAP accounts besides the guard', accounts.length, 1);
  expect('number of sessions', target!.sessions.length, 1);
  step.saw(`  CHAP account ${accounts.join()} is bound, 1 session is logged in with it`);
  expectThat(
    'a libvirt secret for the volume',
    (await secrets(env)).some((usage) => usage.endsWith(volumeId)),
    `usage …${volumeId}`,
    await secrets(env),
  );
  step.saw('virsh secret-list: the CHAP secret lies with libvirt, not in the XML');
}

/** @throws Unmet unless the disk is in both definitions with exactly these limits. */
export async function bothDisks(
  { stack }: Scene,
  guest: RunningGuest,
  volumeId: string,
  limits: Limits,
): Promise<[live: ShownDisk, inactive: ShownDisk]> {
  const [live, inactive] = await Promise.all(
    (['live', 'inactive'] as const).map(async (which) => {
      const disk = await diskOf(stack.env, guest.name, volumeId, which);
      expectThat(`<disk> in the ${which} XML`, disk !== undefined, `serial ${volumeId}`, 'no such disk');
      expect(`<iotune> in the ${which} XML`, sorted(disk!.iotune), sorted(limits));
      return disk!;
    }),
  );
  return [live!, inactive!];
}

function sorted(limits: Limits): string[] {
  return Object.entries(limits)
    .map(([key, value]) => `${key}=${value}`)
    .toSorted();
}
