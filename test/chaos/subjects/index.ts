import type { Exempt } from '../places.ts';
import { BACKUP_SUBJECTS } from './backups.ts';
import { FORCE_SUBJECTS } from './by-force.ts';
import { CLIENT_SUBJECTS } from './clients.ts';
import { COPY_SUBJECTS } from './copies.ts';
import { ENCRYPTED_SUBJECTS } from './encrypted.ts';
import { MANAGE_SUBJECTS } from './manage.ts';
import { MOVE_SUBJECTS } from './moves.ts';
import { REPAIR_SUBJECTS } from './repairs.ts';
import { SERVER_SUBJECTS } from './servers.ts';
import type { Subject } from './subject.ts';
import { undosOf } from './undos.ts';
import { VOLUME_SUBJECTS } from './volumes.ts';

/** In an order in which one uses what another has left. */
const FORWARD: readonly Subject[] = [
  ...VOLUME_SUBJECTS,
  ...COPY_SUBJECTS,
  ...CLIENT_SUBJECTS,
  ...SERVER_SUBJECTS,
  ...MANAGE_SUBJECTS,
  ...MOVE_SUBJECTS,
  ...BACKUP_SUBJECTS,
  ...FORCE_SUBJECTS,
  ...REPAIR_SUBJECTS,
  ...ENCRYPTED_SUBJECTS,
];

export const SUBJECTS: readonly Subject[] = [...FORWARD, ...undosOf(FORWARD)];

/** Flows, and rows of flows, that are not in the matrix, and why. */
export const EXEMPT: Exempt = {
  'volume.migrate: export':
    'only between two storage hosts: test/queues/conductor/flows.test.ts kills its conductors, test/api its copies',
  'volume.migrate: unexport': 'as its export',
  'volume.retype: export': 'as that of volume.migrate',
  'volume.retype: unexport': 'as that of volume.migrate',
  'volume.migrate: stage': 'only a retype gives data another encryption',
  'volume.migrate: replace': 'as its stage',
  'volume.migrate: wipe': 'as its stage',
  'volume.retype: copy, undone': 'as that of volume.migrate',
  'volume.repair: resize': 'its task is that of an extend',
  'volume.repair: unplug': 'a disk of nobody’s in the one guest; its task is that of a detach',
  'volume.repair: disconnect': 'QEMU’s own initiator leaves no connection on the host',
  'volume.repair: remove': 'one call that removes a file by its name: test/e2e/drift',
};
