import assert from 'node:assert/strict';
import { BACKUP_S, backedUp, clearBackups, restoreOver } from '../backups.ts';
import {
  encryptedOrigin,
  encryptedType,
  encryptedVolume,
  LUKS_S,
  verifyGuestReads,
  verifyOpens,
  verifySame,
} from '../encrypted.ts';
import type { Rig } from '../rig.ts';
import type { Subject } from './subject.ts';

/** A GiB is encrypted, or decrypted, and what came of it is compared. */
const RECODING_S = 90;

/** Still what it was, and opened by its own key. */
async function verifyCopy(rig: Rig, volume: string): Promise<void> {
  await verifyOpens(rig, volume, 'image');
  await verifySame(rig, await rig.data.pathOf(volume), await encryptedOrigin(rig));
}

/** Volumes with LUKS; the inventory compares keys and passphrases as well. */
export const ENCRYPTED_SUBJECTS: readonly Subject[] = [
  {
    title: 'create an encrypted volume',
    kind: 'volume.create',
    takesS: LUKS_S,
    inside: { volume: ['copy.whole'] },
    async begin(rig) {
      await rig.clear('encrypted', 1);
      const volume_type = await encryptedType(rig);
      return {
        call: () => rig.create('encrypted', { volume_type }),
        async verify(end) {
          if (end === 'done') await verifyOpens(rig, await rig.newestVolume('encrypted'), 'nothing');
        },
      };
    },
  },
  {
    title: 'create an encrypted volume from an image',
    kind: 'volume.create',
    takesS: LUKS_S,
    inside: { volume: ['image.fetching', 'copy.whole'] },
    async begin(rig) {
      await rig.clear('encrypted image', 1);
      const volume_type = await encryptedType(rig);
      return {
        call: () => rig.create('encrypted image', { volume_type, imageRef: rig.image }),
        async verify(end) {
          if (end === 'done') await verifyOpens(rig, await rig.newestVolume('encrypted image'), 'image');
        },
      };
    },
  },
  {
    title: 'create from an encrypted volume',
    kind: 'volume.create',
    inside: { volume: ['copy.begun', 'copy.whole'] },
    async begin(rig) {
      await rig.clear('encrypted copy', 2);
      const origin = await encryptedOrigin(rig);
      return {
        call: () => rig.create('encrypted copy', { source_volid: origin }),
        async verify(end) {
          if (end === 'done') await verifyCopy(rig, await rig.newestVolume('encrypted copy'));
          await verifyOpens(rig, origin, 'image');
        },
      };
    },
  },
  {
    title: 'create from a snapshot of an encrypted volume',
    kind: 'volume.create',
    inside: { volume: ['copy.begun', 'copy.whole'] },
    async begin(rig) {
      await rig.clear('encrypted copy', 2);
      const origin = await encryptedOrigin(rig);
      const snapshot = await rig.snapshotFor(origin);
      return {
        call: () => rig.create('encrypted copy', { snapshot_id: snapshot }),
        async verify(end) {
          if (end === 'done') await verifyCopy(rig, await rig.newestVolume('encrypted copy'));
          await verifyOpens(rig, origin, 'image');
        },
      };
    },
  },
  {
    title: 'retype to another encryption',
    kind: 'volume.retype',
    // In one place, from LUKS to clear and back, cell by cell.
    skips: ['export', 'copy', 'unexport', 'remove'],
    takesS: RECODING_S,
    async begin(rig) {
      const types = { clear: await rig.type('one'), encrypted: await encryptedType(rig) };
      const volume_type = types.encrypted;
      const volume = await rig.volume('available', 'recoded', { imageRef: rig.image, volume_type });
      const isEncrypted = async () => (await rig.named('recoded'))!.volume_type_id === types.encrypted;
      const before = await isEncrypted();
      return {
        call: () =>
          rig.act(volume, {
            'os-retype': { new_type: before ? types.clear : types.encrypted, migration_policy: 'on-demand' },
          }),
        async verify(end) {
          assert.equal(await isEncrypted(), end === 'done' ? !before : before);
          if (await isEncrypted()) await verifyOpens(rig, volume, 'image');
          else await rig.data.verifyImaged(volume);
        },
      };
    },
  },
  {
    title: 'attach an encrypted volume',
    kind: 'volume.attach',
    async begin(rig) {
      await rig.release('encrypted disk', 2);
      const volume = await encryptedVolume(rig, 'available', 'encrypted disk');
      const { mark } = rig.guest;
      return {
        call: () => rig.attach(volume),
        async verify(end) {
          if (end === 'done') await verifyGuestReads(rig, volume, mark);
          await verifyCopy(rig, volume);
        },
      };
    },
  },
  {
    title: 'detach an encrypted volume',
    kind: 'volume.detach',
    async begin(rig) {
      const volume = await encryptedVolume(rig, 'in-use', 'encrypted disk');
      return { call: () => rig.detach(volume), verify: () => verifyCopy(rig, volume) };
    },
  },
  {
    title: 'upload an encrypted volume to an image',
    kind: 'volume.upload',
    takesS: LUKS_S,
    async begin(rig) {
      const origin = await encryptedOrigin(rig);
      await rig.clearImages();
      return {
        call: () => rig.act(origin, { 'os-volume_upload_image': { image_name: 'sent' } }),
        async verify(end) {
          await verifyOpens(rig, origin, 'image');
          if (end === 'done')
            await verifySame(rig, await rig.data.imagePath(await rig.newestImage()), origin);
        },
      };
    },
  },
  {
    title: 'write an image over an encrypted volume',
    kind: 'volume.reimage',
    takesS: LUKS_S,
    inside: { rewrite: ['volume.allocated', 'image.fetching'] },
    async begin(rig) {
      const volume = await encryptedVolume(rig, 'available', 'encrypted reimaged');
      return {
        call: () => rig.act(volume, { 'os-reimage': { image_id: rig.image } }),
        verify: () => verifyOpens(rig, volume, 'image'),
      };
    },
  },
  {
    title: 'restore a backup over an encrypted volume',
    kind: 'backup.restore',
    inside: { restore: ['volume.allocated'] },
    takesS: BACKUP_S,
    async begin(rig) {
      await clearBackups(rig, 2);
      const { backup } = await backedUp(rig, await encryptedOrigin(rig));
      // One with a passphrase of its own, which goes when the backup's comes.
      await rig.clear('encrypted restored', 0);
      const volume_type = await encryptedType(rig);
      const volume = await rig.volume('available', 'encrypted restored', { volume_type });
      return {
        call: () => restoreOver(rig, backup, volume),
        async verify(end) {
          if (end === 'done') await verifyCopy(rig, volume);
          await verifyOpens(rig, await encryptedOrigin(rig), 'image');
        },
      };
    },
  },
  {
    title: 'delete an encrypted volume',
    kind: 'volume.delete',
    async begin(rig) {
      const volume = await encryptedVolume(rig, 'available', 'encrypted copy');
      return { call: () => rig.delete(volume) };
    },
  },
];
