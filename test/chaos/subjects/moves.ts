import assert from 'node:assert/strict';
import { poolParts } from '#schema/pools.ts';
import type { Rig } from '../rig.ts';
import type { Ready, Subject } from './subject.ts';

/** Both back ends are one host's, so nothing is exported; and nothing is encrypted. */
const ONE_HOST = ['export', 'unexport', 'stage', 'replace', 'wipe'];

/** The volume has its data wherever it lies, and when the operation was done it lies where it was to. */
function moving(rig: Rig, volume: string, to: string | null, call: () => Promise<unknown>): Ready {
  return {
    call,
    async verify(end) {
      await rig.data.verify(volume);
      if (end === 'done') assert.equal(await rig.poolOf(volume), to);
    },
  };
}

/** From one to the other and back, cell by cell. */
export const MOVE_SUBJECTS: readonly Subject[] = [
  {
    title: 'migrate',
    kind: 'volume.migrate',
    skips: ONE_HOST,
    async begin(rig) {
      const volume = await rig.volume('available', 'moves');
      const to = await rig.otherPool(volume);
      return moving(rig, volume, to, () => rig.act(volume, { 'os-migrate_volume': { host: to } }));
    },
  },
  {
    title: 'retype',
    kind: 'volume.retype',
    skips: [...ONE_HOST, 'copy', 'remove'],
    async begin(rig) {
      const volume = await rig.volume('available', 'retyped');
      const types = [await rig.type('one'), await rig.type('other')];
      const former = (await rig.named('retyped'))!.volume_type_id;
      const type = types.find((each) => each !== former)!;
      return {
        call: () =>
          rig.act(volume, {
            'os-retype': { new_type: type, migration_policy: 'never' },
          }),
        async verify(end) {
          await rig.data.verify(volume);
          const { volume_type_id: now } = (await rig.named('retyped'))!;
          assert.equal(now, end === 'done' ? type : former);
        },
      };
    },
  },
  {
    title: 'retype to another back end',
    kind: 'volume.retype',
    skips: ONE_HOST,
    async begin(rig) {
      const volume = await rig.volume('available', 'moves by type');
      const to = await rig.otherPool(volume);
      const { backendName } = poolParts(to);
      const type = await rig.type(`lies in ${backendName}`, backendName);
      return moving(rig, volume, to, () =>
        rig.act(volume, {
          'os-retype': { new_type: type, migration_policy: 'on-demand' },
        }),
      );
    },
  },
];
