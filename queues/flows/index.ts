import type { OperationKind } from '#schema/operations.ts';
import { attachmentExport, attachmentRevoke } from './attachment-export.ts';
import type { Flow } from './flow.ts';
import { qosApply } from './qos-apply.ts';
import { serverCreate } from './server-create.ts';
import { serverDelete } from './server-delete.ts';
import { serverPower } from './server-power.ts';
import { snapshotCreate } from './snapshot-create.ts';
import { snapshotDelete } from './snapshot-delete.ts';
import { volumeAttach } from './volume-attach.ts';
import { volumeCreate } from './volume-create.ts';
import { volumeDelete } from './volume-delete.ts';
import { volumeDetach } from './volume-detach.ts';
import { volumeExtend } from './volume-extend.ts';
import { volumeForceDetach } from './volume-force-detach.ts';
import { volumeManage } from './volume-manage.ts';
import { volumeRepair } from './volume-repair.ts';
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
  'server.create': serverCreate,
  'server.delete': serverDelete,
  'server.power': serverPower,
};
