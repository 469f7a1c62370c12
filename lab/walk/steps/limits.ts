import { expectThat } from '#stack/demo/expect.ts';
import { tellOperation } from '#stack/demo/operations.ts';
import type { Step } from '#stack/demo/report.ts';
import type { LabScene } from '../scene.ts';
import { seeDisk } from './compute.ts';

const TOLERANCE = 0.1;
/** A busy machine may take the emulated processor away for a while. */
const TRIES = 4;
const SECONDS = 4;

/** The guest reads for some seconds as fast as it may. @throws Unmet unless it gets what the limit allows, ±10 %. */
export async function measureReads(
  { lab }: LabScene,
  step: Step,
  name: string,
  limit: number,
): Promise<void> {
  const reads = limit * SECONDS;
  let rate = 0;
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const [said = ''] = await lab.instance.command(`read ${name} ${reads} 4096`);
    rate = reads / (Number(/ ms=(\d+)$/.exec(said)?.[1]) / 1_000);
    if (Math.abs(rate / limit - 1) <= TOLERANCE) break;
  }
  const [least, most] = [limit * (1 - TOLERANCE), limit * (1 + TOLERANCE)];
  expectThat(
    'reads per second in the guest',
    rate >= least && rate <= most,
    `${least} to ${most}`,
    rate.toFixed(1),
  );
  step.saw(`the guest gets ${rate.toFixed(1)} reads of 4 KiB per second; the limit is ${limit}`);
}

export async function changeLimits(
  scene: LabScene,
  step: Step,
  qosId: string,
  volumeId: string,
  change: { readonly name: string; readonly before: Limits; readonly changed: Limits },
): Promise<void> {
  const { client } = scene;
  await client.call(step, 'PUT', `/v3/qos-specs/${qosId}`, {
    qos_specs: Object.fromEntries(Object.entries(change.changed).map(([key, value]) => [key, String(value)])),
  });
  await tellOperation(client, step, volumeId, 'qos.apply');
  await seeDisk(scene, step, volumeId, change.name, { ...change.before, ...change.changed });
}

type Limits = Readonly<Record<string, number>>;
