import { systemRunner } from '#agent/run.ts';
import { Unmet } from './expect.ts';
import type { LogFile } from './log-file.ts';
import { newestOperation } from './operations.ts';
import type { Report } from './report.ts';
import type { Scene } from './scene.ts';

const LOG_LINES = 25;

/** Prints all that helps to find out why. */
export async function explain(
  report: Report,
  error: unknown,
  log: LogFile,
  scene: Scene | undefined,
): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  report.line();
  report.line(`FAILED: ${message}`);
  if (error instanceof Unmet) {
    report.line(`  expected: ${error.expected}`);
    report.line(`  seen:     ${error.seen}`);
  }
  const timeline = scene === undefined ? undefined : await lastTimeline(scene).catch(() => undefined);
  if (timeline !== undefined) {
    report.line();
    report.line(timeline.trimEnd());
  }
  const kept = await log.keep();
  if (kept === undefined) return;
  report.line();
  report.line(`The processes’ last lines; all of them are in ${kept}:`);
  for (const line of log.last(LOG_LINES)) report.line(`  ${line}`);
}

/** The way a user gets it. */
async function lastTimeline({ client, made, stack }: Scene): Promise<string | undefined> {
  if (made.volumeId === undefined) return undefined;
  const id = await newestOperation(client, made.volumeId);
  if (id === undefined) return undefined;
  const env = { BLOCKYARD_URL: stack.apiUrl, BLOCKYARD_TOKEN: stack.adminToken };
  return (await systemRunner.run('bin/blockyard', ['operations', 'show', id], { env })).stdout;
}
