import { expect } from '#stack/demo/expect.ts';
import { tellOperation } from '#stack/demo/operations.ts';
import { duration, type Step } from '#stack/demo/report.ts';
import { GIB } from '#stack/demo/scene.ts';
import type { Limits } from '#stack/demo/steps/types.ts';
import type { LabScene } from '../scene.ts';
import { diskOf, seeDisk } from './compute.ts';
import { seeExport } from './storage.ts';

const DEADLINE_MS = 120_000;

/** Attaches to demo-instance1. @param device where it shall appear, `/dev/vdb` */
export async function attach(
  scene: LabScene,
  step: Step,
  volumeId: string,
  name: string,
  limits: Limits,
): Promise<void> {
  const { client, lab, made } = scene;
  made.volumeId = volumeId;
  const began = performance.now();
  await client.call(step, 'POST', `/compute/v2.1/servers/${lab.instance.id}/os-volume_attachments`, {
    volumeAttachment: { volumeId },
  });
  const volume = await client.volumeIs(volumeId, 'in-use', { back: 'available', deadlineMs: DEADLINE_MS });
  const took = duration(performance.now() - began);
  await tellOperation(client, step, volumeId, 'volume.attach');
  expect('device that the API tells', volume.attachments[0]?.device, `/dev/${name}`);
  step.saw(`in-use as /dev/${name}, ${took} after the request`);
  await seeDisk(scene, step, volumeId, name, limits);
  await seeInGuest(scene, step, volumeId, name);
  await seeExport(scene, step, volumeId, lab.initiator);
}

/** virtio-blk has 20 bytes for a serial. */
const serialInGuest = (volumeId: string): string => volumeId.slice(0, 20);

async function seeInGuest({ lab }: LabScene, step: Step, volumeId: string, name: string): Promise<void> {
  const disks = await lab.instance.command('list');
  const wanted = `disk ${name} serial=${serialInGuest(volumeId)} bytes=${GIB}`;
  expect(
    'the guest’s list',
    disks.find((line) => line.startsWith(`disk ${name} `)),
    wanted,
  );
  step.saw(`guest console: /dev/${name}: ${wanted}`);
}

export async function detach(scene: LabScene, step: Step, volumeId: string): Promise<void> {
  const { client, lab } = scene;
  const began = performance.now();
  await client.call(
    step,
    'DELETE',
    `/compute/v2.1/servers/${lab.instance.id}/os-volume_attachments/${volumeId}`,
  );
  await client.volumeIs(volumeId, 'available', { back: 'in-use', deadlineMs: DEADLINE_MS });
  const took = duration(performance.now() - began);
  await tellOperation(client, step, volumeId, 'volume.detach');
  for (const which of ['live', 'inactive'] as const)
    expect(`<disk> in the ${which} XML`, await diskOf(scene, volumeId, which), undefined);
  step.saw(`available, ${took} after the request; no such <disk>, neither live nor --inactive`);
}
