import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lab, startLab } from '#lab/lab.ts';
import { whyNoLab } from '#lab/requirements.ts';
import { Collector } from '#test/e2e/observability/collector.ts';

/** Building the image takes minutes, booting another under load. */
const START_MS = 20 * 60_000;

let dir: Promise<string> | undefined;
let lab: Promise<Lab> | undefined;
let collector: Promise<Collector> | undefined;
let told = false;

/**
 * The lab that the whole test run shares, started at the first use; where it cannot run, the tests of this hook's suite
 * are skipped and the reason is printed. For a `before` hook; tests should leave the lab as they found it.
 */
export async function labOrSkip(hook: Mocha.Context): Promise<Lab> {
  const reason = await whyNoLab();
  if (reason !== undefined) {
    if (!told) console.log(`    lab tests are skipped: ${reason}`);
    told = true;
    hook.skip();
  }
  hook.timeout(START_MS);
  dir ??= mkdtemp(join(tmpdir(), 'by-lab-'));
  const runDir = await dir;
  const { url } = await labSpans();
  lab ??= startLab({
    runDir,
    collector: url,
    log: (name, line) => {
      if (name === 'lab') console.log(`    lab: ${line}`);
    },
  });
  return await lab;
}

/** What processes of the shared lab tell of the traces that a caller wanted. */
export function labSpans(): Promise<Collector> {
  collector ??= Collector.start();
  return collector;
}

/** Ends what `labOrSkip` has started. */
export async function stopSharedLab(): Promise<void> {
  await lab?.then(
    (running) => running.stop(),
    () => undefined,
  );
  await (await collector)?.[Symbol.asyncDispose]();
  if (dir !== undefined) await rm(await dir, { recursive: true, force: true });
}
