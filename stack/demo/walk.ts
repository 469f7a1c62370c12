import type { Guest } from '../guest/image.ts';
import type { Scene } from './scene.ts';
import { attachVolume } from './steps/attach.ts';
import { changeLimits, extendVolume } from './steps/change.ts';
import { measureReads, writeAndRead } from './steps/data.ts';
import { detachVolume } from './steps/detach.ts';
import { bootGuest, type RunningGuest } from './steps/guest.ts';
import { createQos, createType, type Limits } from './steps/types.ts';
import { createVolume, deleteVolume } from './steps/volume.ts';

const LIMITS: Limits = {
  read_iops_sec: 400,
  write_iops_sec: 200,
  read_bytes_sec: 80_000_000,
  write_bytes_sec: 40_000_000,
};
const TIGHTER: Limits = { read_iops_sec: 100, write_iops_sec: 50 };

/**
 * The main job, from a volume type to a deleted volume, as a user's program would do it.
 * @returns the guest, which still runs.
 * @throws Unmet at the first observation that does not hold.
 */
export async function walk(scene: Scene, image: Guest): Promise<RunningGuest> {
  const { report } = scene;
  const type = await report.step('Volume type with an extra spec', (step) => createType(scene, step));
  const qosId = await report.step('QoS spec, associated with the type', (step) =>
    createQos(scene, step, type, LIMITS),
  );
  const volumeId = await report.step('Create a volume of 1 GiB', (step) => createVolume(scene, step, type));
  const guest = await report.step('Boot a Linux guest under libvirt', (step) =>
    bootGuest(scene, step, image),
  );
  await report.step('Attach the volume to the running guest', (step) =>
    attachVolume(scene, step, guest, volumeId, LIMITS),
  );
  await report.step('The guest writes to the volume and reads from it', async (step) => {
    await writeAndRead(scene, step, guest, volumeId);
    // An emulated processor on a slow machine may not get that far.
    await measureReads(guest, step, LIMITS['read_iops_sec']!, false);
  });
  await report.step('Change the QoS spec: the running guest’s limits follow', (step) =>
    changeLimits(scene, step, guest, { qosId, volumeId, before: LIMITS, changed: TIGHTER }),
  );
  await report.step('Extend the volume to 2 GiB', (step) => extendVolume(scene, step, guest, volumeId));
  await report.step('Detach', (step) => detachVolume(scene, step, guest, volumeId));
  await report.step('Delete', (step) => deleteVolume(scene, step, volumeId));
  return guest;
}
