import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type StartCompanion, systemCompanion } from '#agent/companion.ts';
import { type Runner, systemRunner } from '#agent/run.ts';
import { readComputeConfig } from '#compute-agent/config.ts';
import { libvirtHypervisor } from '#compute-agent/hypervisor.ts';
import { NOTHING_PENDING } from '#compute-agent/recovery/evictions.ts';
import { createSecrets } from '#queues/secrets.ts';

import { GuestConsole } from '#stack/guest/console.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import { buildGuest } from '#stack/guest/image.ts';
import { startLibvirt } from '#stack/servers/libvirt.ts';
import { startTgtd } from '#stack/servers/tgtd.ts';
import { openBackends } from '#storage-agent/backends/open.ts';
import { readStorageConfig } from '#storage-agent/config.ts';
import { createStorageHandlers } from '#storage-agent/handlers.ts';
import { createDisks } from '#storage-agent/images/disks.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { openTarget } from '#storage-agent/targets/open.ts';
import { median } from '../statistics.ts';
import type { Row } from '../table.ts';

const ROUNDS = 3;
const KEY = 'ab'.repeat(32);

/**
 * The agents' own handlers over a real tgtd, libvirt and guest, with a counter in the two doors through which
 * programs start. The processes that stay (virsh shells) are started in a first round, which is not counted.
 */
export async function spawns(): Promise<Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'by-'));
  let started = 0;
  const runner: Runner = {
    run: (...call) => {
      started += 1;
      return systemRunner.run(...call);
    },
  };
  const companion: StartCompanion = (...call) => {
    started += 1;
    return systemCompanion(...call);
  };
  await using tgtd = await startTgtd({ dir: join(dir, 't') });
  await using libvirt = await startLibvirt({ dir: join(dir, 'l'), cacheDir: '.data/cache/libvirt' });
  const env = {
    BLOCKYARD_HOST: 'bench',
    BLOCKYARD_AGENT_KEY: KEY,
    BLOCKYARD_STATE_DIR: join(dir, 's'),
    REDIS_URL: 'redis://127.0.0.1:1',
    BLOCKYARD_BACKENDS: `file:name=files,path=${dir}`,
    BLOCKYARD_TARGET: 'tgt',
    BLOCKYARD_TGT_SOCKET: tgtd.managementSocket,
    BLOCKYARD_ISCSI_PORTAL: tgtd.portal,
    BLOCKYARD_LIBVIRT_URI: libvirt.uri,
  };
  const storageConfig = readStorageConfig(env);
  const opened = await openBackends(storageConfig, runner);
  const { target, ...daemon } = await openTarget(storageConfig);
  const secrets = createSecrets(KEY);
  const storage = createStorageHandlers({
    backends: new Map(opened.map(({ config, backend }) => [config.name, backend])),
    target,
    secrets,
    disks: createDisks(createQemuImg(runner), dir),
  });
  const compute = libvirtHypervisor(readComputeConfig(env), companion, NOTHING_PENDING, () => undefined);

  const serverId = randomUUID();
  const [consoleSocket, consoleLog] = [join(dir, 'c'), join(dir, 'c.log')];
  const guest = await buildGuest('.data/cache/guest');
  const xml = guestDomainXml({ ...guest, name: 'bench', uuid: serverId, consoleSocket, consoleLog });
  const virsh = (...args: string[]) => systemRunner.run('virsh', ['-c', libvirt.uri, ...args]);
  await writeFile(join(dir, 'domain.xml'), xml);
  await virsh('define', join(dir, 'domain.xml'));
  await virsh('start', serverId);
  await using console = await GuestConsole.open(consoleSocket, consoleLog);
  await console.waitFor(/^guest: ready$/m);

  const context = { requestId: 'bench', signal: new AbortController().signal };
  const counts = new Map<string, { programs: number[]; ms: number[] }>();
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      const volumeId = randomUUID();
      const stored = { volumeId, backend: 'files' };
      const plugged = { volumeId, serverId };
      const chap = { username: randomUUID(), secret: secrets.encrypt(secrets.chapSecret(), volumeId) };
      const initiator = 'iqn.2010-10.org.blockyard:host:bench';
      let connection: Awaited<ReturnType<(typeof storage)['export.ensure']>>['connection'] = null;
      const steps: Record<string, () => Promise<unknown>> = {
        create: () => storage['volume.ensure']({ ...stored, sizeGib: 1 }, context),
        'attach: export': async () => {
          ({ connection } = await storage['export.ensure'](
            { ...stored, number: 1, acls: [{ initiator, chap }] },
            context,
          ));
        },
        'attach: plug': async () => {
          if (connection === null) throw new Error('no connection');
          await compute.handlers['disk.attach'](
            {
              ...plugged,
              connection,
              initiator,
              chap,
              iotune: { read_iops_sec: 400 },
              bus: 'virtio',
              device: null,
              readonly: false,
            },
            context,
          );
        },
        'QoS change': () =>
          compute.handlers['disk.tune']({ ...plugged, iotune: { read_iops_sec: 300 } }, context),
        'detach: unplug': () => compute.handlers['disk.detach']({ ...plugged, connection }, context),
        'detach: revoke': () => storage['export.ensure']({ ...stored, number: 1, acls: [] }, context),
        delete: () => storage['volume.absent'](stored, context),
      };
      for (const [name, step] of Object.entries(steps)) {
        const [before, began] = [started, performance.now()];
        await step();
        const count = counts.get(name) ?? { programs: [], ms: [] };
        counts.set(name, count);
        if (round === 0) continue;
        count.programs.push(started - before);
        count.ms.push(performance.now() - began);
      }
    }
  } finally {
    await virsh('destroy', serverId).catch(() => undefined);
    await virsh('undefine', serverId).catch(() => undefined);
    await compute.stop();
    daemon.close();
    await rm(dir, { recursive: true, force: true });
  }
  return [...counts].map(([what, { programs, ms }]) => ({
    what,
    'programs started': String(median(programs)),
    'median ms': median(ms),
  }));
}
