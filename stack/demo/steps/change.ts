import { expect } from '../expect.ts';
import { fileFacts } from '../host.ts';
import { tellOperation } from '../operations.ts';
import { duration, type Step } from '../report.ts';
import { GIB, type Scene, volumeFile } from '../scene.ts';
import { bothDisks } from './attach.ts';
import { measureReads, readBack } from './data.ts';
import type { RunningGuest } from './guest.ts';
import type { Limits } from './types.ts';

/** @param changed limits that the spec gets; `before` are those it has. */
export async function changeLimits(
  scene: Scene,
  step: Step,
  guest: RunningGuest,
  { qosId, volumeId, before, changed }: { qosId: string; volumeId: string; before: Limits; changed: Limits },
): Promise<void> {
  const { client } = scene;
  const began = performance.now();
  await client.call(step, 'PUT', `/v3/qos-specs/${qosId}`, {
    qos_specs: Object.fromEntries(Object.entries(changed).map(([key, value]) => [key, String(value)])),
  });
  await tellOperation(client, step, volumeId, 'qos.apply');
  const after = { ...before, ...changed };
  const took = duration(performance.now() - began);
  const [live] = await bothDisks(scene, guest, volumeId, after);
  step.saw(`virsh dumpxml, live and --inactive, ${took} after the request:`);
  step.quote(/ *<iotune>[\s\S]*<\/iotune>/.exec(live.xml)?.[0].replaceAll(/^ {2}/gm, '') ?? '');
  await measureReads(guest, step, after['read_iops_sec']!, true);
}

export async function extendVolume(
  scene: Scene,
  step: Step,
  guest: RunningGuest,
  volumeId: string,
): Promise<void> {
  const { client } = scene;
  const mark = guest.console.mark;
  const began = performance.now();
  await client.call(step, 'POST', `/v3/volumes/${volumeId}/action`, { 'os-extend': { new_size: 2 } });
  await guest.console.waitFor(new RegExp(`^guest: disk vdb resized bytes=${2 * GIB}$`, 'm'), { mark });
  const took = performance.now() - began;
  const volume = await client.volumeIs(volumeId, 'in-use');
  await tellOperation(client, step, volumeId, 'volume.extend');
  step.saw(`guest console: disk vdb resized bytes=${2 * GIB}, ${duration(took)} after the request`);
  expect('size that the API tells', volume.size, 2);
  expect('size of the volume’s file', (await fileFacts(volumeFile(scene, volumeId)))?.bytes, 2 * GIB);
  step.saw('API and file agree: 2 GiB, and the volume was in-use all the time');
  await readBack(guest, step);
}
