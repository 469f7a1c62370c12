import { TaskError } from '#schema/tasks.ts';
import type { Device } from '../target.ts';
import type { TgtClient } from './client.ts';
import { type Identity, LUN } from './identity.ts';
import { cutSessions } from './sessions.ts';
import type { TgtLun, TgtTarget } from './show.ts';

const DRAIN_MS = 20_000;

/**
 * Makes the target's disk what it should be.
 * @throws TaskError `refused` when it has another device under a live session.
 */
export async function ensureLun(
  client: TgtClient,
  target: TgtTarget,
  device: Device,
  identity: Identity,
): Promise<void> {
  const found = target.luns.find(({ lun }) => lun === LUN);
  if (found !== undefined && isComplete(found, device, identity)) return;
  if (found !== undefined && found.path !== device.path) {
    if (target.sessions.length > 0)
      throw new TaskError('refused', 'the export has another device, and it is in use');
    await client.deleteLun(target.tid, LUN);
  }
  if (found?.path !== device.path) await client.createLun(target.tid, LUN, device.path);
  await client.updateLun(target.tid, LUN, {
    scsi_sn: identity.scsiSn,
    scsi_id: identity.scsiId,
    vendor_id: 'BLKYARD',
    product_id: 'VOLUME',
    thin_provisioning: device.discard ? '1' : '0',
    online: '1',
  });
}

function isComplete(found: TgtLun, device: Device, identity: Identity): boolean {
  return (
    found.path === device.path &&
    found.scsiSn === identity.scsiSn &&
    found.scsiId === identity.scsiId &&
    found.thin === device.discard &&
    found.online
  );
}

/**
 * Makes tgtd open the device again: it asks for a device's size only then.
 *
 * While it does, the disk has no file (number 0 in fact, so that a write would go to tgtd's standard input), and
 * commands in I/O threads still use the old number. So there must be no command: the target goes offline (nothing new
 * starts), its sessions are closed, and only when tgtd has forgotten them, which is after their last command, is the
 * device swapped. Initiators log in again by themselves and repeat what had no answer: a guest sees a pause, no error.
 */
export async function reopenLun(
  client: TgtClient,
  target: TgtTarget,
  device: Device,
  identity: Identity,
): Promise<void> {
  await client.setReady(target.tid, false);
  try {
    await cutSessions(client, target, () => false, DRAIN_MS);
  } catch (error) {
    // Nothing has been touched yet; those who are there go on with the old size.
    await client.setReady(target.tid, true);
    throw error;
  }
  try {
    await client.updateLun(target.tid, LUN, { online: '0', path: device.path });
  } catch {
    // Without a file it must not come back; a new one can.
    await client.deleteLun(target.tid, LUN);
    await ensureLun(client, { ...target, luns: [], sessions: [] }, device, identity);
  }
  await client.setReady(target.tid, true);
}
