import type { Rig } from '../rig.ts';
import type { Ready, Subject } from './subject.ts';

const COPIES_KEPT = 3;

async function copyOf(rig: Rig, source: object, origin: string): Promise<Ready> {
  await rig.clear('copy', COPIES_KEPT);
  return {
    call: () => rig.create('copy', source),
    async verify(end) {
      if (end === 'done') await rig.data.verify(await rig.newestVolume('copy'), origin);
      await rig.data.verify(origin);
    },
  };
}

/** New volumes with something in them, snapshots and images. */
export const COPY_SUBJECTS: readonly Subject[] = [
  {
    title: 'create from a volume',
    kind: 'volume.create',
    inside: { volume: ['copy.begun', 'copy.whole'] },
    async begin(rig) {
      const origin = await rig.volume('available', 'origin');
      return copyOf(rig, { source_volid: origin }, origin);
    },
  },
  {
    title: 'create from a snapshot',
    kind: 'volume.create',
    inside: { volume: ['copy.begun', 'copy.whole'] },
    async begin(rig) {
      const { snapshot, origin } = await rig.snapshot();
      return copyOf(rig, { snapshot_id: snapshot }, origin);
    },
  },
  {
    title: 'create from an image',
    kind: 'volume.create',
    inside: { volume: ['image.fetching', 'copy.whole'] },
    async begin(rig) {
      await rig.clear('imaged', COPIES_KEPT);
      return {
        call: () => rig.create('imaged', { imageRef: rig.image }),
        async verify(end) {
          if (end === 'done') await rig.data.verifyImaged(await rig.newestVolume('imaged'));
        },
      };
    },
  },
  {
    title: 'snapshot',
    kind: 'snapshot.create',
    async begin(rig) {
      const origin = await rig.volume('available', 'origin');
      await rig.clearSnapshots(3);
      return {
        call: () =>
          rig.call('POST', rig.path('snapshots'), { snapshot: { volume_id: origin, name: 'snap' } }),
        async verify(end) {
          await rig.data.verify(origin);
          if (end === 'done') await rig.data.verifySnapshot(await rig.newestSnapshot(), origin);
        },
      };
    },
  },
  {
    title: 'delete a snapshot',
    kind: 'snapshot.delete',
    async begin(rig) {
      const { snapshot, origin } = await rig.snapshot();
      return {
        call: () => rig.call('DELETE', rig.path(`snapshots/${snapshot}`)),
        verify: () => rig.data.verify(origin),
      };
    },
  },
  {
    title: 'revert to a snapshot',
    kind: 'volume.revert',
    inside: { rewrite: ['copy.begun'] },
    async begin(rig) {
      const volume = await rig.volume('available', 'reverts');
      const snapshot = await rig.snapshotFor(volume);
      return {
        call: () => rig.act(volume, { revert: { snapshot_id: snapshot } }),
        async verify() {
          await rig.data.verify(volume);
          await rig.data.verifySnapshot(snapshot, volume);
        },
      };
    },
  },
  {
    title: 'write an image over a volume',
    kind: 'volume.reimage',
    inside: { rewrite: ['volume.allocated', 'image.fetching'] },
    async begin(rig) {
      await rig.clear('reimaged', 1);
      const volume = await rig.volume('available', 'reimaged');
      return {
        call: () => rig.act(volume, { 'os-reimage': { image_id: rig.image } }),
        async verify(end) {
          if (end === 'done') await rig.data.verifyImaged(volume);
        },
      };
    },
  },
  {
    title: 'upload to an image',
    kind: 'volume.upload',
    async begin(rig) {
      const origin = await rig.volume('available', 'origin');
      await rig.clearImages();
      return {
        call: () =>
          rig.act(origin, {
            'os-volume_upload_image': { image_name: 'sent', disk_format: 'qcow2', container_format: 'bare' },
          }),
        async verify(end) {
          await rig.data.verify(origin);
          if (end === 'done') await rig.data.verifyImage(await rig.newestImage(), origin);
        },
      };
    },
  },
];
