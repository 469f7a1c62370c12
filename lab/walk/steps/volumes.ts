import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '#stack/demo/expect.ts';
import { tellOperation } from '#stack/demo/operations.ts';
import { duration, type Step } from '#stack/demo/report.ts';
import { size } from '#stack/demo/scene.ts';
import { buildBootableImage } from '#stack/guest/bootable.ts';
import type { LabScene } from '../scene.ts';
import { logicalVolumes, seeVolume } from './storage.ts';

/** Filling a volume on an emulated machine takes a while. */
const FILL_DEADLINE_MS = 180_000;

export async function createPlainVolume(scene: LabScene, step: Step, type: string): Promise<string> {
  const { client, made } = scene;
  const { volume } = await client.call(step, 'POST', '/v3/volumes', {
    volume: { name: 'demo-vol1', size: 1, volume_type: type },
  });
  made.volumeId = volume.id;
  const shown = await client.volumeIs(volume.id, 'available', { deadlineMs: FILL_DEADLINE_MS });
  await tellOperation(client, step, volume.id, 'volume.create');
  expect('bootable', shown.bootable, 'false');
  await seeVolume(scene, step, volume.id);
  return volume.id;
}

/** Uploads the project's own bootable image. @returns its id. */
export async function uploadImage({ client, guestCache }: LabScene, step: Step): Promise<string> {
  const file = await buildBootableImage(guestCache);
  const image = await client.call(step, 'POST', '/image/v2/images', {
    name: 'demo-image',
    disk_format: 'raw',
    container_format: 'bare',
  });
  const { size: bytes } = await stat(file);
  const began = performance.now();
  await client.upload(step, `/image/v2/images/${image.id}/file`, file);
  const took = performance.now() - began;
  const shown = (await client.ask('GET', `/image/v2/images/${image.id}`)).body;
  expect('status and size of the image', [shown.status, shown.size], ['active', bytes]);
  const hash = createHash('sha512');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  expect('SHA-512 of the image', shown.os_hash_value, hash.digest('hex'));
  step.saw(`image ${image.id} is active: ${size(bytes)} in ${duration(took)}, SHA-512 as of the file`);
  return image.id;
}

export async function createBootableVolume(
  scene: LabScene,
  step: Step,
  type: string,
  imageId: string,
): Promise<string> {
  const { client, made } = scene;
  const { volume } = await client.call(step, 'POST', '/v3/volumes', {
    volume: { name: 'demo-vol2', size: 1, volume_type: type, imageRef: imageId },
  });
  made.volumeId = volume.id;
  const shown = await client.volumeIs(volume.id, 'available', { deadlineMs: FILL_DEADLINE_MS });
  await tellOperation(client, step, volume.id, 'volume.create');
  expect('bootable', shown.bootable, 'true');
  expect('image that the volume was made from', shown.volume_image_metadata?.image_id, imageId);
  step.saw('bootable, and volume_image_metadata says from which image');
  await seeVolume(scene, step, volume.id);
  return volume.id;
}

export async function deleteVolumes(
  { client }: LabScene,
  step: Step,
  volumeIds: readonly string[],
): Promise<void> {
  for (const id of volumeIds) await client.call(step, 'DELETE', `/v3/volumes/${id}`);
  for (const id of volumeIds)
    await client.until('404', `/v3/volumes/${id}`, ({ status }) => status === 404, {
      deadlineMs: FILL_DEADLINE_MS,
    });
  step.saw('GET of the volumes answers 404');
}

/** The storage agent keeps a copy of an image to make further volumes from; it goes after the image has. */
const FORGET_DEADLINE_MS = 180_000;

export async function deleteImage(scene: LabScene, step: Step, imageId: string): Promise<void> {
  const began = performance.now();
  await scene.client.call(step, 'DELETE', `/image/v2/images/${imageId}`);
  for (;;) {
    const left = await logicalVolumes(scene);
    if (left.length === 0) break;
    if (performance.now() - began > FORGET_DEADLINE_MS) expect('logical volumes', left, []);
    await sleep(1_000);
  }
  step.saw(
    `lvs on the storage node: nothing, ${duration(performance.now() - began)} after the image was deleted`,
  );
}
