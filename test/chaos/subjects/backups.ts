import {
  assertStoreAgrees,
  BACKUP_S,
  backedUp,
  backUp,
  backupsIn,
  clearBackups,
  importAgain,
  restoreOver,
  verifyBackup,
} from '../backups.ts';
import type { Subject } from './subject.ts';

/** With restic, in a folder. */
export const BACKUP_SUBJECTS: readonly Subject[] = [
  {
    title: 'back up',
    kind: 'backup.create',
    takesS: BACKUP_S,
    async begin(rig) {
      await clearBackups(rig, 2);
      const volume = await rig.volume('available', 'backed');
      return {
        call: () => backUp(rig, volume),
        async verify(end) {
          await rig.data.verify(volume);
          if (end === 'done') await verifyBackup(rig, (await backupsIn(rig))[0]!);
          await assertStoreAgrees(rig);
        },
      };
    },
  },
  {
    title: 'restore a backup',
    kind: 'backup.restore',
    inside: { restore: ['volume.allocated'] },
    takesS: BACKUP_S,
    async begin(rig) {
      const { backup, of } = await backedUp(rig);
      const volume = await rig.volume('available', 'restored');
      // Not what an earlier restore has brought.
      await rig.data.mark(volume);
      return {
        call: () => restoreOver(rig, backup, volume),
        async verify(end) {
          await rig.data.verify(volume, end === 'done' ? of : volume);
          await rig.data.verify(of);
        },
      };
    },
  },
  {
    title: 'create from a backup',
    kind: 'volume.create',
    inside: { volume: ['image.fetching', 'copy.whole'] },
    takesS: BACKUP_S,
    async begin(rig) {
      await rig.clear('from a backup', 2);
      const { backup, of } = await backedUp(rig);
      return {
        call: () => rig.create('from a backup', { backup_id: backup }),
        async verify(end) {
          if (end === 'done') await rig.data.verify(await rig.newestVolume('from a backup'), of);
        },
      };
    },
  },
  {
    title: 'import a backup',
    kind: 'backup.import',
    takesS: BACKUP_S,
    async begin(rig) {
      await clearBackups(rig, 3);
      const { backup } = await backedUp(rig);
      return { call: () => importAgain(rig, backup), verify: () => assertStoreAgrees(rig) };
    },
  },
  {
    title: 'delete a backup',
    kind: 'backup.delete',
    takesS: BACKUP_S,
    async begin(rig) {
      // Whoever goes last takes the data along.
      await clearBackups(rig, 1);
      const { backup, of } = await backedUp(rig);
      return {
        call: () => rig.call('DELETE', rig.path(`backups/${backup}`)),
        async verify() {
          await rig.data.verify(of);
          await assertStoreAgrees(rig);
        },
      };
    },
  },
];
