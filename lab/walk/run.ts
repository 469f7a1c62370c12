import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Client } from '#stack/demo/client.ts';
import { explain } from '#stack/demo/failure.ts';
import { Interrupted, watchSignals } from '#stack/demo/interruption.ts';
import { logFile } from '#stack/demo/log-file.ts';
import { duration, type Report } from '#stack/demo/report.ts';
import type { Made } from '#stack/demo/scene.ts';
import { type Lab, startLab } from '../lab.ts';
import { labWalk } from './walk.ts';

const GUEST_CACHE = resolve(import.meta.dirname, '../../.data/cache/guest');
const EXIT_INTERRUPTED = 130;

/**
 * `npm run demo -- --lab`: a lab of its own, the walk through it, and nothing left.
 * @returns the exit code: 0 only if every observation held.
 */
export async function runLabDemo(options: { readonly runDir: string }, report: Report): Promise<number> {
  const began = performance.now();
  const runDir = resolve(options.runDir);
  const log = logFile(runDir);
  const signals = watchSignals();
  const made: Made = {};
  let lab: Lab | undefined;
  try {
    report.line('Blockyard: the production path, on two virtual machines\n');
    lab = await signals.orInterrupted(
      report.step('Start a storage node, a compute node, and a guest on that', async (step) => {
        const started = await startLab({ runDir, log: log.write });
        step.did(
          `machines: ${started.storage.name} (LVM, LIO), ${started.compute.name} (open-iscsi, libvirt)`,
        );
        step.saw(`both agents report, and ${started.instance.name} runs`);
        return started;
      }),
    );
    const client = new Client(lab.stack);
    await signals.orInterrupted(labWalk({ lab, client, report, made, guestCache: GUEST_CACHE }));
    report.line(
      `\nAll ${report.observations} observations held. It took ${duration(performance.now() - began)}.`,
    );
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      report.mute();
      return EXIT_INTERRUPTED;
    }
    const scene = lab && { stack: lab.stack, client: new Client(lab.stack), report, made };
    await explain(report, error, log, scene);
    return 1;
  } finally {
    await lab?.stop();
    await rm(join(runDir, 'demo.log'), { force: true });
    signals.close();
  }
}
