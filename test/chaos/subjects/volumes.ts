import assert from 'node:assert/strict';
import type { Rig } from '../rig.ts';
import type { Ready, Subject } from './subject.ts';

const SIZE_AT_MOST = 4;
const NOT_PLUGGED = ['resize', 'tune'];

/** On a volume of which every byte must stay. */
async function keeping(rig: Rig, volume: string, call: () => Promise<unknown>): Promise<Ready> {
  return { call, verify: () => rig.data.verify(volume) };
}

async function growing(rig: Rig, status: 'available' | 'in-use'): Promise<Ready> {
  const name = `grows ${status}`;
  const small = (await rig.volumes(name)).find(
    (each) => each.status === status && each.size_gib < SIZE_AT_MOST,
  );
  if (small === undefined) await rig.clear(name, 0);
  const volume = small?.id ?? (await rig.volume(status, name));
  const size = small?.size_gib ?? 1;
  return {
    call: () => rig.extend(volume, size + 1),
    async verify(end) {
      await rig.data.verify(volume);
      if (end === 'done') assert.equal((await rig.data.sizeOf(volume)) / 2 ** 30, size + 1);
    },
  };
}

export const VOLUME_SUBJECTS: readonly Subject[] = [
  {
    title: 'create',
    kind: 'volume.create',
    async begin(rig) {
      await rig.clear('cell', 3);
      return {
        call: () => rig.create('cell'),
        async verify(end) {
          if (end !== 'done') return;
          const volume = await rig.newestVolume('cell');
          await rig.data.verifyEmpty(volume);
          // Others use it.
          await rig.data.mark(volume);
        },
      };
    },
  },
  {
    title: 'delete',
    kind: 'volume.delete',
    async begin(rig) {
      const volume = await rig.volume('available');
      return { call: () => rig.delete(volume) };
    },
  },
  {
    title: 'attach',
    kind: 'volume.attach',
    async begin(rig) {
      await rig.release('cell', 6);
      const volume = await rig.volume('available');
      return keeping(rig, volume, () => rig.attach(volume));
    },
  },
  {
    title: 'attach that fails',
    kind: 'volume.attach',
    turnsBackAt: 'plug',
    // The guest never saw it.
    never: ['detach.requested'],
    async begin(rig) {
      const volume = await rig.volume('available');
      return keeping(rig, volume, () => rig.attach(volume, '/dev/vda'));
    },
  },
  {
    title: 'detach',
    kind: 'volume.detach',
    async begin(rig) {
      const volume = await rig.volume('in-use');
      return keeping(rig, volume, () => rig.detach(volume));
    },
  },
  {
    title: 'extend',
    kind: 'volume.extend',
    skips: NOT_PLUGGED,
    begin: (rig) => growing(rig, 'available'),
  },
  {
    title: 'extend in use',
    kind: 'volume.extend',
    skips: ['tune'],
    begin: (rig) => growing(rig, 'in-use'),
  },
  {
    title: 'extend with limits',
    kind: 'volume.extend',
    async begin(rig) {
      const { volume, size } = await rig.tuned(SIZE_AT_MOST);
      return keeping(rig, volume, () => rig.extend(volume, size + 1));
    },
  },
  {
    title: 'limits',
    kind: 'qos.apply',
    async begin(rig) {
      const { volume, retune } = await rig.tuned();
      return {
        call: retune,
        async verify(end) {
          await rig.data.verify(volume);
          if (end !== 'undone') return;
          // The guest has the former ones, which is drift.
          await rig.apiUp();
          await retune();
          await rig.until('the limits are applied', () => rig.isResting('tuned'));
        },
      };
    },
  },
];
