import { createQos, createType } from '#stack/demo/steps/types.ts';
import { type LabScene, LIMITS, TIGHTER } from './scene.ts';
import { attach, detach } from './steps/attachments.ts';
import { bootFromVolume, readGreeting } from './steps/boot.ts';
import { seeNothingConnected } from './steps/compute.ts';
import { changeLimits, measureReads } from './steps/limits.ts';
import { checksum, resetCompute, resetStorage, writePattern } from './steps/reboots.ts';
import { seeNothingExported } from './steps/storage.ts';
import {
  createBootableVolume,
  createPlainVolume,
  deleteImage,
  deleteVolumes,
  uploadImage,
} from './steps/volumes.ts';

/**
 * The production path from a volume type to nothing left, on LVM, LIO and open-iscsi.
 * @throws Unmet at the first observation that does not hold.
 */
export async function labWalk(scene: LabScene): Promise<void> {
  const { report, lab } = scene;
  const all = { ...LIMITS, ...TIGHTER };
  const { limited, unlimited, qosId } = await report.step(
    'Two volume types, one with a QoS spec',
    async (step) => {
      const limited = await createType(scene, step, lab.backendName);
      const unlimited = await createType(scene, step, lab.backendName);
      return { limited, unlimited, qosId: await createQos(scene, step, limited, LIMITS) };
    },
  );
  const vol1 = await report.step('demo-vol1: a plain volume of 1 GiB', (step) =>
    createPlainVolume(scene, step, limited.name),
  );
  const imageId = await report.step('Upload a bootable image', (step) => uploadImage(scene, step));
  const vol2 = await report.step('demo-vol2: a volume made from it', (step) =>
    createBootableVolume(scene, step, unlimited.name, imageId),
  );
  await report.step('Attach demo-vol1 to demo-instance1', (step) => attach(scene, step, vol1, 'vdb', LIMITS));
  await report.step('Boot demo-boot-vol from demo-vol2, then delete the server', (step) =>
    bootFromVolume(scene, step, vol2),
  );
  await report.step('Attach demo-vol2 to demo-instance1 and read what the server wrote', async (step) => {
    await attach(scene, step, vol2, 'vdc', {});
    await readGreeting(scene, step, vol2, 'vdc');
  });
  await report.step('The limit is real, before and after a live change', async (step) => {
    await measureReads(scene, step, 'vdb', LIMITS['read_iops_sec']!);
    await changeLimits(scene, step, qosId, vol1, { name: 'vdb', before: LIMITS, changed: TIGHTER });
    await measureReads(scene, step, 'vdb', all['read_iops_sec']!);
  });
  const disks = { vdb: vol1, vdc: vol2 };
  const sums = await report.step('Write a pattern', async (step) => ({
    vdb: await writePattern(scene, step, 'vdb'),
    vdc: await checksum(lab, 'vdc'),
  }));
  await report.step('Reset the storage node', (step) => resetStorage(scene, step, disks, sums, 'vdb'));
  await report.step('Reset the compute node', (step) => resetCompute(scene, step, disks, sums));
  await report.step('Detach both', async (step) => {
    await detach(scene, step, vol1);
    await detach(scene, step, vol2);
    await seeNothingConnected(scene, step);
    await seeNothingExported(scene, step);
  });
  await report.step('Delete everything', async (step) => {
    await deleteVolumes(scene, step, [vol1, vol2]);
    await deleteImage(scene, step, imageId);
  });
}
