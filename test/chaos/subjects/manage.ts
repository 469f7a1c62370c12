import type { Subject } from './subject.ts';

/** Volumes that are forgotten while their data stay, and the way back. */
export const MANAGE_SUBJECTS: readonly Subject[] = [
  {
    title: 'unmanage',
    kind: 'volume.unmanage',
    async begin(rig) {
      const volume = await rig.volume('available', 'unmanages');
      return {
        call: () => rig.act(volume, { 'os-unmanage': {} }),
        async verify(end) {
          if (end === 'done') await rig.data.verifyUnmanaged(volume);
          else await rig.data.verify(volume);
        },
      };
    },
  },
  {
    title: 'unmanage a snapshot',
    kind: 'snapshot.unmanage',
    async begin(rig) {
      const volume = await rig.volume('available', 'kept');
      const snapshot = await rig.snapshotFor(volume);
      return {
        call: () => rig.call('POST', rig.path(`snapshots/${snapshot}/action`), { 'os-unmanage': {} }),
        async verify(end) {
          await rig.data.verify(volume);
          if (end === 'done') await rig.data.verifyUnmanagedSnapshot(snapshot, volume);
          else await rig.data.verifySnapshot(snapshot, volume);
        },
      };
    },
  },
  {
    title: 'manage a snapshot',
    kind: 'snapshot.manage',
    async begin(rig) {
      const volume = await rig.volume('available', 'kept');
      const former = await rig.unmanagedSnapshot(volume);
      await rig.until('the host says what it has', () => rig.canManage());
      return {
        call: () => rig.manageSnapshot(volume, former),
        async verify(end) {
          await rig.data.verify(volume);
          if (end === 'done') await rig.data.verifySnapshot((await rig.snapshotsOf(volume))[0]!, volume);
          else await rig.data.verifyUnmanagedSnapshot(former, volume);
        },
      };
    },
  },
  {
    title: 'manage',
    kind: 'volume.manage',
    async begin(rig) {
      await rig.clear('adopted', 2);
      const former = await rig.unmanaged();
      // What may be managed the host is asked, which does not hear while Redis comes back.
      await rig.until('the host says what it has', () => rig.canManage());
      return {
        call: () => rig.manage(former, 'adopted'),
        async verify(end) {
          if (end === 'done') await rig.data.verify(await rig.newestVolume('adopted'), former);
          else await rig.data.verifyUnmanaged(former);
        },
      };
    },
  },
];
