import { randomBytes } from 'node:crypto';
import { expect } from '../expect.ts';
import type { Step } from '../report.ts';
import { BACKEND, type Scene } from '../scene.ts';

export interface VolumeType {
  readonly id: string;
  readonly name: string;
}

/** Names differ from run to run, so that a database which others use too is no obstacle. */
const unique = (name: string): string => `${name}-${randomBytes(3).toString('hex')}`;

/** @param backend what the type's volumes are placed on (`volume_backend_name`) */
export async function createType(
  { client, made }: Pick<Scene, 'client' | 'made'>,
  step: Step,
  backend: string = BACKEND,
): Promise<VolumeType> {
  const name = unique('gold');
  const { volume_type } = await client.call(step, 'POST', '/v3/types', {
    volume_type: { name, extra_specs: { volume_backend_name: backend } },
  });
  made.typeId = volume_type.id;
  const shown = (await client.ask('GET', `/v3/types/${volume_type.id}`)).body.volume_type;
  expect('extra specs of the type', shown.extra_specs, { volume_backend_name: backend });
  step.saw(`type ${name} goes to backends with volume_backend_name=${backend}`);
  return { id: volume_type.id, name };
}

export type Limits = Readonly<Record<string, number>>;

/** @returns the spec's id. */
export async function createQos(
  { client, made }: Pick<Scene, 'client' | 'made'>,
  step: Step,
  type: VolumeType,
  limits: Limits,
): Promise<string> {
  const specs = Object.fromEntries(Object.entries(limits).map(([key, value]) => [key, String(value)]));
  const { qos_specs } = await client.call(step, 'POST', '/v3/qos-specs', {
    qos_specs: { name: unique('limits'), consumer: 'both', ...specs },
  });
  made.qosId = qos_specs.id;
  await client.call(step, 'GET', `/v3/qos-specs/${qos_specs.id}/associate?vol_type_id=${type.id}`);
  const { body } = await client.ask('GET', `/v3/qos-specs/${qos_specs.id}/associations`);
  expect('associations of the QoS spec', body.qos_associations, [
    { association_type: 'volume_type', name: type.name, id: type.id },
  ]);
  expect('limits in the QoS spec', qos_specs.specs, specs);
  step.saw(`every volume of type ${type.name} has these limits`);
  return qos_specs.id;
}
