import { createHash } from 'node:crypto';
import { expect, expectThat } from '../expect.ts';
import { sumOf } from '../host.ts';
import type { Step } from '../report.ts';
import { type Scene, size, volumeFile } from '../scene.ts';
import type { RunningGuest } from './guest.ts';

const WORD = 'blockyard';
const BLOCK = 65_536;
const BLOCKS = 32;
const BYTES = BLOCK * BLOCKS;

/** What the guest's `yes` writes, as SHA-256. */
const SUM = createHash('sha256')
  .update(`${WORD}\n`.repeat(Math.ceil(BYTES / (WORD.length + 1))).slice(0, BYTES))
  .digest('hex');

export async function writeAndRead(
  scene: Scene,
  step: Step,
  guest: RunningGuest,
  volumeId: string,
): Promise<void> {
  const [wrote] = await guest.console.command(`write vdb ${BLOCKS} ${BLOCK} ${WORD}`);
  step.did(`guest console: ${wrote}`);
  await readBack(guest, step);
  expect('SHA-256 of the volume’s file', await sumOf(volumeFile(scene, volumeId), BYTES), SUM);
  step.saw('the storage host finds the same bytes in the volume’s file');
}

/** The guest reads what it wrote. */
export async function readBack(guest: RunningGuest, step: Step): Promise<void> {
  const [said = ''] = await guest.console.command(`sum vdb ${BYTES}`);
  expect('the guest’s checksum', said, `sum vdb bytes=${BYTES} sha256=${SUM}`);
  step.saw(`the guest reads back ${size(BYTES)} as written, SHA-256 ${SUM.slice(0, 12)}…`);
}

const TOLERANCE = 0.15;
/** A busy machine may take the guest's processor away for a while. */
const TRIES = 3;

/**
 * The guest reads for about two seconds as fast as it may.
 * @throws Unmet when it gets more than the limit allows, or less while `reachable` says that this machine can do it.
 */
export async function measureReads(
  guest: RunningGuest,
  step: Step,
  limit: number,
  reachable: boolean,
): Promise<void> {
  const reads = limit * 2;
  let rate = 0;
  for (let attempt = 1; attempt <= TRIES; attempt += 1) {
    const [said = ''] = await guest.console.command(`read vdb ${reads} 4096`);
    rate = Math.round(reads / (Number(/ ms=(\d+)$/.exec(said)?.[1]) / 1_000));
    if (Math.abs(rate / limit - 1) <= TOLERANCE) break;
  }
  const least = reachable ? limit * (1 - TOLERANCE) : 1;
  const most = limit * (1 + TOLERANCE);
  expectThat('reads per second in the guest', rate >= least && rate <= most, `${least} to ${most}`, rate);
  step.saw(`the guest gets ${rate} reads of 4 KiB per second; the limit is ${limit}`);
}
