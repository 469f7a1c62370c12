import { expect, expectThat } from '../expect.ts';
import { fileFacts } from '../host.ts';
import { tellOperation } from '../operations.ts';
import type { Step } from '../report.ts';
import { BACKEND, GIB, type Scene, size, volumeFile } from '../scene.ts';
import { poolOf } from './services.ts';
import type { VolumeType } from './types.ts';

/** @returns the volume's id. */
export async function createVolume(scene: Scene, step: Step, type: VolumeType): Promise<string> {
  const { client, made } = scene;
  const before = (await poolOf(client)).capabilities;
  const { volume } = await client.call(step, 'POST', '/v3/volumes', {
    volume: { name: 'demo', size: 1, volume_type: type.name },
  });
  made.volumeId = volume.id;
  const shown = await client.volumeIs(volume.id, 'available');
  await tellOperation(client, step, volume.id, 'volume.create');
  const host: string = shown['os-vol-host-attr:host'];
  expectThat('host of the volume', host.endsWith(`#${BACKEND}`), `host@backend#${BACKEND}`, host);
  step.saw(`volume ${volume.id} is available on ${host}`);
  const file = await fileFacts(volumeFile(scene, volume.id));
  expect('size of the volume’s file', file?.bytes, GIB);
  step.saw(
    `file volume-${volume.id.slice(0, 8)}… has ${size(GIB)} and takes ${size(file!.usedBytes)} of the disk`,
  );
  const after = (await poolOf(client)).capabilities;
  expect('GiB allocated', after.allocated_capacity_gb, before.allocated_capacity_gb + 1);
  expect('volumes in the pool', after.total_volumes, before.total_volumes + 1);
  step.saw(
    `the pool’s allocated capacity went from ${before.allocated_capacity_gb} to ${after.allocated_capacity_gb} GiB`,
  );
  return volume.id;
}

export async function deleteVolume(scene: Scene, step: Step, volumeId: string): Promise<void> {
  const { client, made } = scene;
  const before = (await poolOf(client)).capabilities;
  await client.call(step, 'DELETE', `/v3/volumes/${volumeId}`);
  await client.until('404', `/v3/volumes/${volumeId}`, ({ status }) => status === 404);
  delete made.volumeId;
  await tellOperation(client, step, volumeId, 'volume.delete');
  step.saw('GET of the volume answers 404');
  expect('the volume’s file', await fileFacts(volumeFile(scene, volumeId)), undefined);
  step.saw('its file is gone');
  const after = (await poolOf(client)).capabilities;
  expect('GiB allocated', after.allocated_capacity_gb, before.allocated_capacity_gb - 2);
  expect('volumes in the pool', after.total_volumes, before.total_volumes - 1);
  step.saw(
    `the pool’s allocated capacity went from ${before.allocated_capacity_gb} to ${after.allocated_capacity_gb} GiB`,
  );
}
