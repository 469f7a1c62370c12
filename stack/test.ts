/** `npm test`: every test, then one plain line `N passed, M failed` (`, K skipped`) as the last one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestCounts, TornDown } from './reporter.ts';

/** How long the shared lab and servers may take to stop: two machines, two databases, and folders of gigabytes. */
const TEARDOWN_DEADLINE_MS = 180_000;
/** How long Mocha may take to end after that; longer means that a test left something open, which it then has named. */
const END_DEADLINE_MS = 30_000;

/** Arguments go to Mocha: `--grep words`, or files instead of all of them. */
const args = process.argv.slice(2);
const files = args.some((arg) => arg.endsWith('.test.ts')) ? [] : ['test/**/*.test.ts'];
const mocha = spawn(
  process.execPath,
  ['node_modules/mocha/bin/mocha.js', '--reporter', './stack/reporter.ts', ...args, ...files],
  { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] },
);

let counts: TestCounts | undefined;
let hung: 'stopping' | 'ending' | undefined;
let patience: NodeJS.Timeout | undefined;
mocha.on('message', (message: TestCounts | TornDown) => {
  if ('passed' in message) {
    counts = message;
    endWithin(TEARDOWN_DEADLINE_MS, 'stopping');
  } else {
    console.log(`Stopped the lab in ${message.labMs} ms and the servers in ${message.serversMs} ms.`);
    endWithin(END_DEADLINE_MS, 'ending');
  }
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => mocha.kill(signal));

const [exitCode] = (await once(mocha, 'exit')) as [number | null];
if (counts === undefined) console.error('Mocha ended before the tests did.');
if (hung === 'stopping') console.error('The shared lab and servers did not stop.');
if (hung === 'ending')
  console.error('The tests left something open, named above: Mocha did not end by itself.');
const { passed, failed, skipped } = counts ?? { passed: 0, failed: 1, skipped: 0 };
// A timer or socket that a test forgot changes nothing in what the tests have found.
const ended = exitCode === 0 || hung === 'ending';
const bad = !ended || failed > 0 || passed + failed === 0;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = bad ? 1 : 0;

/** Ends Mocha if it has not ended by then; the last call counts. */
function endWithin(milliseconds: number, otherwise: typeof hung): void {
  clearTimeout(patience);
  patience = setTimeout(() => {
    hung = otherwise;
    mocha.kill('SIGKILL');
  }, milliseconds).unref();
}
