import type { Subject } from './subject.ts';

/** Volumes that are forgotten while their data stay, and the way back. */
export const MANAGE_SUBJECTS: readonly Subject[] = [
  {
    title: 'unmanage',
    kind: 'volume.unmanage',
    async begin(rig) {
      const volume = await rig.volume('available', 'unmanages');
      return {
        call: () => rig.call('POST', rig.path(`volumes/${volume}/action`), { 'os-unmanage': {} }),
        async verify(end) {
          if (end === 'done') await rig.data.verifyUnmanaged(volume);
          else await rig.data.verify(volume);
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
