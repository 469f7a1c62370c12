import type { Subject } from './subject.ts';

/** Servers made through the API; their volume is empty, so that the machine stops at its firmware. */
export const SERVER_SUBJECTS: readonly Subject[] = [
  {
    title: 'create a server',
    kind: 'server.create',
    async begin(rig) {
      await rig.clearServers();
      const root = await rig.bootable();
      return { call: () => rig.boot(root), verify: () => rig.data.verify(root) };
    },
  },
  {
    title: 'delete a server',
    kind: 'server.delete',
    async begin(rig) {
      const { server, root } = await rig.booted();
      return {
        call: () => rig.call('DELETE', `/compute/v2.1/servers/${server}`),
        verify: () => rig.data.verify(root),
      };
    },
  },
  {
    title: 'reboot a server',
    kind: 'server.power',
    async begin(rig) {
      const { server, root } = await rig.booted();
      return {
        call: () => rig.call('POST', `/compute/v2.1/servers/${server}/action`, { reboot: { type: 'HARD' } }),
        verify: () => rig.data.verify(root),
      };
    },
  },
];
