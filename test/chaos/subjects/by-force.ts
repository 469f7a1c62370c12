import type { Subject } from './subject.ts';

/** Nobody is let in: the target itself goes. */
const CUT = {
  inside: { cut: ['export.emptied'] },
  never: ['export.created', 'export.locked'],
} as const;

/** The host is back and cleared in that. */
const TAKES_S = 30;

export const FORCE_SUBJECTS: readonly Subject[] = [
  {
    title: 'force-detach from a client',
    kind: 'volume.force-detach',
    ...CUT,
    async begin(rig) {
      const { volume } = await rig.lent();
      return { call: () => rig.forceDetach(volume), verify: () => rig.data.verify(volume) };
    },
  },
  {
    // Of a server that is off: QEMU's own initiator may hang on a disk whose target has shut it out, and the one guest is all cells'.
    title: 'force-detach from a host that is away',
    kind: 'volume.force-detach',
    takesS: TAKES_S,
    ...CUT,
    async begin(rig) {
      const volume = await rig.pluggedWhereItIsOff();
      await rig.awayWithCompute();
      return {
        call: () => rig.forceDetach(volume),
        afterwards: () => rig.backWithCompute(),
        verify: () => rig.data.verify(volume),
      };
    },
  },
];
