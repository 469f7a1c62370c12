import type { OperationKind } from '#schema/operations.ts';
import { attachmentExport, attachmentRevoke } from './attachment-export.ts';
import { backupCreate } from './backup-create.ts';
import { backupDelete } from './backup-delete.ts';
import { backupImport } from './backup-import.ts';
import { backupRestore } from './backup-restore.ts';
import type { Flow } from './flow.ts';
import { qosApply } from './qos-apply.ts';
import { serverCreate } from './server-create.ts';
import { serverDelete } from './server-delete.ts';
import { serverPower } from './server-power.ts';
import { snapshotCreate } from './snapshot-create.ts';
import { snapshotDelete } from './snapshot-delete.ts';
import { snapshotManage } from './snapshot-manage.ts';
import { snapshotUnmanage } from './snapshot-unmanage.ts';
import { volumeAttach } from './volume-attach.ts';
import { volumeCreate } from './volume-create.ts';
import { volumeDelete } from './volume-delete.ts';
import { volumeDetach } from './volume-detach.ts';
import { volumeExtend } from './volume-extend.ts';
import { volumeForceDetach } from './volume-force-detach.ts';
import { volumeManage } from './volume-manage.ts';
import { volumeMigrate, volumeRetype } from './volume-move.ts';
import { volumeReimage } from './volume-reimage.ts';
import { volumeRepair } from './volume-repair.ts';
import { volumeRevert } from './volume-revert.ts';
import { volumeUnmanage } from './volume-unmanage.ts';
import { volumeUpload } from './volume-upload.ts';

/** Every kind of operation has exactly one flow. */
export const FLOWS: { readonly [K in OperationKind]: Flow } = {
  'volume.create': volumeCreate,
  'volume.delete': volumeDelete,
  'volume.attach': volumeAttach,
  'volume.detach': volumeDetach,
  'volume.force-detach': volumeForceDetach,
  'volume.extend': volumeExtend,
  'qos.apply': qosApply,
  'attachment.export': attachmentExport,
  'attachment.revoke': attachmentRevoke,
  'snapshot.create': snapshotCreate,
  'snapshot.delete': snapshotDelete,
  'volume.upload': volumeUpload,
  'volume.repair': volumeRepair,
  'volume.manage': volumeManage,
  'volume.unmanage': volumeUnmanage,
  'volume.revert': volumeRevert,
  'volume.reimage': volumeReimage,
  'volume.retype': volumeRetype,
  'volume.migrate': volumeMigrate,
  'snapshot.manage': snapshotManage,
  'snapshot.unmanage': snapshotUnmanage,
  'backup.create': backupCreate,
  'backup.delete': backupDelete,
  'backup.import': backupImport,
  'backup.restore': backupRestore,
  'server.create': serverCreate,
  'server.delete': serverDelete,
  'server.power': serverPower,
};
