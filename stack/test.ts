/** `npm test`: every test, then one plain line `N passed, M failed` (`, K skipped`) as the last one. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { TestCounts } from './reporter.ts';

/** How long Mocha may take to end after the last test; longer means that a test left something open. */
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
let hung = false;
mocha.once('message', (message) => {
  counts = message as TestCounts;
  setTimeout(() => {
    hung = true;
    mocha.kill('SIGKILL');
  }, END_DEADLINE_MS).unref();
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => mocha.kill(signal));

const [exitCode] = (await once(mocha, 'exit')) as [number | null];
if (counts === undefined) console.error('Mocha ended before the tests did.');
if (hung) console.error('The tests left something open: Mocha did not end by itself.');
const { passed, failed, skipped } = counts ?? { passed: 0, failed: 1, skipped: 0 };
const bad = exitCode !== 0 || failed > 0 || passed + failed === 0;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = bad ? 1 : 0;
