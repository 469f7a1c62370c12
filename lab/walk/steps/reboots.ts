import { setTimeout as sleep } from 'node:timers/promises';
import { expect, expectThat } from '#stack/demo/expect.ts';
import { duration, type Step } from '#stack/demo/report.ts';
import type { LabScene } from '../scene.ts';
import { seeDisk } from './compute.ts';
import { seeExport } from './storage.ts';

const BYTES = 8 * 2 ** 20;
const BLOCK = 65_536;

/** Volume id by the name that its disk has in demo-instance1. */
export type Disks = Readonly<Record<string, string>>;

/** Writes a pattern of 8 MiB to the start of a disk. @returns what the guest says its checksum is. */
export async function writePattern({ lab }: LabScene, step: Step, name: string): Promise<string> {
  await lab.instance.command(`write ${name} ${BYTES / BLOCK} ${BLOCK} blockyard`, 120_000);
  const sum = await checksum(lab, name);
  step.did(`guest console: ${sum}`);
  return sum;
}

/** The power goes and comes back while the guest writes, and must not notice. */
export async function resetStorage(
  scene: LabScene,
  step: Step,
  disks: Disks,
  sums: Disks,
  writing: string,
): Promise<void> {
  const { lab } = scene;
  await lab.instance.command(`churn ${writing}`);
  await sleep(3_000);
  const began = performance.now();
  step.did(`the storage node loses its power while the guest writes to /dev/${writing}`);
  await lab.storage.reset();
  step.did(`it answers again after ${duration(performance.now() - began)}`);
  const ready = performance.now();
  for (const volumeId of Object.values(disks)) await exported(lab, volumeId);
  step.saw(`every export exists again, ${duration(performance.now() - ready)} after the node answered`);
  await seeExport(scene, step, disks[writing]!, lab.initiator);
  // It must have got further than it was when the power went.
  await sleep(5_000);
  const [churned = ''] = await lab.instance.command('churned', 240_000);
  expectThat('the guest’s writes', /^churned blocks=[1-9]\d*$/.test(churned), 'churned blocks=N', churned);
  step.saw(`the guest wrote on without an I/O error: ${churned}`);
  await seeSums(lab, step, sums);
}

export async function resetCompute(scene: LabScene, step: Step, disks: Disks, sums: Disks): Promise<void> {
  const { lab, client } = scene;
  const began = performance.now();
  step.did('the compute node loses its power');
  await lab.compute.reset();
  step.did(`it answers again after ${duration(performance.now() - began)}`);
  await lab.instance.rebooted();
  step.saw(`demo-instance1 runs again, ${duration(performance.now() - began)} after the power went`);
  for (const [name, volumeId] of Object.entries(disks)) {
    await seeDisk(scene, step, volumeId, name, null);
    expect('status of the volume', (await client.volumeIs(volumeId, 'in-use')).status, 'in-use');
  }
  await seeSums(lab, step, sums);
}

async function seeSums(lab: LabScene['lab'], step: Step, sums: Disks): Promise<void> {
  for (const [name, sum] of Object.entries(sums)) {
    expect(`checksum of /dev/${name}`, await checksum(lab, name), sum);
    step.saw(`data intact: ${sum}`);
  }
}

export async function checksum(lab: LabScene['lab'], name: string): Promise<string> {
  return (await lab.instance.command(`sum ${name} ${BYTES}`, 120_000))[0] ?? '';
}

/** An emulated node starts Node and its agent, which waits 8 s for its name after a crash (docs/architecture.md, "One machine of a name"). */
const EXPORT_DEADLINE_MS = 120_000;

async function exported({ storage }: LabScene['lab'], volumeId: string): Promise<void> {
  const enabled = `cat /sys/kernel/config/target/iscsi/*:volume-${volumeId}/tpgt_1/enable 2>/dev/null || true`;
  const deadline = performance.now() + EXPORT_DEADLINE_MS;
  while ((await storage.sh(enabled)) !== '1') {
    expectThat(
      `export of ${volumeId}`,
      performance.now() < deadline,
      'enabled within two minutes',
      'not yet',
    );
    await sleep(200);
  }
}
