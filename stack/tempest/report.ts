import { styleText } from 'node:util';
import { EXPECTED_FILE } from './expected.ts';
import type { Outcome } from './outcomes.ts';
import type { TempestResult } from './run.ts';

const COLOURS = { success: 'green', fail: 'red', skip: 'yellow', other: 'red' } as const;

/** One line for a test that has ended. */
export function tell({ id, status, seconds }: Outcome): void {
  const word = styleText(COLOURS[status], status.padEnd(7), { stream: process.stdout });
  console.log(`${word} ${(seconds ?? 0).toFixed(1).padStart(5)} s  ${id.replace('tempest.api.volume.', '')}`);
}

/** What failed and why, what is not as the list says, and the totals as the last line. */
export function reportOf(result: TempestResult): string {
  const failures = result.outcomes.filter(({ status }) => status === 'fail' || status === 'other');
  const skips = result.outcomes.filter(({ status }) => status === 'skip');
  const lines = [
    ...failures.map(({ id, reason }) => `\nfailed: ${id}\n${indented(reason)}`),
    ...skips.map(({ id, reason }) => `\nskipped: ${id}\n${indented(reason)}`),
  ];
  if (result.surprises.length > 0) {
    lines.push(`\nNot as ${EXPECTED_FILE} says:`, ...result.surprises.map((each) => `  ${each}`));
  }
  const { wanted, passed, failed, skipped, missing, seconds } = result;
  lines.push(
    `\n${passed} of ${wanted} passed, ${failed} failed, ${skipped} skipped, ${missing} never ran; ${seconds.toFixed(0)} s`,
  );
  return lines.join('\n');
}

/** The end of it says what was wrong. */
const MOST_LINES = 12;

function indented(text: string): string {
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  return lines
    .slice(-MOST_LINES)
    .map((line) => `    ${line}`)
    .join('\n');
}
