import assert from 'node:assert/strict';
import { truncate } from 'node:fs/promises';
import { systemRunner } from '#agent/run.ts';
import { createTgtClient } from '#storage-agent/targets/tgt/client.ts';
import type { Rig } from '../rig.ts';
import type { Ready, Subject } from './subject.ts';

const ROWS = ['export', 'grow', 'plug', 'tune', 'unplug', 'disconnect', 'remove', 'resize'] as const;
const only = (...rows: (typeof ROWS)[number][]): string[] => ROWS.filter((row) => !rows.includes(row));

const GIB = 2 ** 30;
/** Each host is asked for all that it has, before and after. */
const TAKES_S = 30;

/** A difference of this kind that somebody has made on this volume's host; whose repair died with the API is asked for again. */
async function repairing(rig: Rig, kind: string, volume: string): Promise<Ready> {
  const find = async (): Promise<string | undefined> => {
    const { body } = await rig.call('GET', rig.path('drift'));
    return body.differences.find(
      (each: { kind: string; volume_id: string | null }) => each.kind === kind && each.volume_id === volume,
    )?.id;
  };
  await rig.until('the difference is found', async () => (await find().catch(() => undefined)) !== undefined);
  const item = (await find())!;
  const call = (): Promise<unknown> => rig.call('POST', rig.path('drift/repair'), { item });
  return {
    call,
    async afterwards() {
      await rig.apiUp();
      if ((await find()) !== undefined) await call();
    },
    verify: () => rig.data.verify(volume),
  };
}

function virsh(rig: Rig, ...args: string[]): Promise<unknown> {
  return systemRunner.run('virsh', ['--connect', rig.stack.env['BLOCKYARD_LIBVIRT_URI']!, ...args]);
}

/** What somebody has changed on a host is brought back to what MySQL says. */
export const REPAIR_SUBJECTS: readonly Subject[] = [
  {
    title: 'repair a volume that is too small',
    kind: 'volume.repair',
    takesS: TAKES_S,
    skips: only('grow'),
    async begin(rig) {
      const volume = await rig.volume('available', 'shrunk', { size: 2 });
      await truncate(await rig.data.pathOf(volume), GIB);
      const ready = await repairing(rig, 'volume-smaller', volume);
      return {
        ...ready,
        async verify() {
          await rig.data.verify(volume);
          assert.equal(await rig.data.sizeOf(volume), 2 * GIB);
        },
      };
    },
  },
  {
    title: 'repair an export',
    kind: 'volume.repair',
    takesS: TAKES_S,
    skips: only('export'),
    async begin(rig) {
      const { volume } = await rig.lent();
      const tgt = createTgtClient(rig.stack.env['BLOCKYARD_TGT_SOCKET']!);
      const target = (await tgt.targets()).find(({ name }) => name.endsWith(volume))!;
      for (const initiator of target.initiators) await tgt.unbindInitiator(target.tid, initiator);
      return repairing(rig, 'acl-missing', volume);
    },
  },
  {
    title: 'repair a disk that the definition has lost',
    kind: 'volume.repair',
    takesS: TAKES_S,
    skips: only('export', 'plug'),
    async begin(rig) {
      const volume = await rig.volume('in-use', 'unplugged');
      await virsh(rig, 'detach-device-alias', rig.server, `ua-${volume}`, '--config');
      return repairing(rig, 'disk-not-persistent', volume);
    },
  },
  {
    title: 'repair limits',
    kind: 'volume.repair',
    takesS: TAKES_S,
    skips: only('tune'),
    async begin(rig) {
      const { volume } = await rig.tuned();
      await virsh(
        rig,
        'blkdeviotune',
        rig.server,
        await rig.deviceOf(volume),
        '--total-iops-sec',
        '77',
        '--config',
      );
      return repairing(rig, 'limits', volume);
    },
  },
];
