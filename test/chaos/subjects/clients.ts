import type { Subject } from './subject.ts';

/** Clients that connect by themselves. */
export const CLIENT_SUBJECTS: readonly Subject[] = [
  {
    title: 'export to a client',
    kind: 'attachment.export',
    async begin(rig) {
      const volume = await rig.volume('available', 'lent');
      return { call: () => rig.lend(volume), verify: () => rig.data.verify(volume) };
    },
  },
  {
    title: 'take back from a client',
    kind: 'attachment.revoke',
    async begin(rig) {
      const { attachment, volume } = await rig.lent();
      return {
        call: () => rig.call('DELETE', rig.path(`attachments/${attachment}`)),
        verify: () => rig.data.verify(volume),
      };
    },
  },
];
