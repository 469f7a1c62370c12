/** `npm run demo`: a volume's whole life on one machine, each step observed. */
import { parseArgs } from 'node:util';
import { Report } from './demo/report.ts';
import { runDemo } from './demo/run.ts';

const USAGE = `Usage: npm run demo -- [--keep] [--run-dir FOLDER]

  --keep             leave everything running after the walk, until Ctrl-C
  --run-dir FOLDER   for all files of this run; emptied first, removed at the end (default .data/demo)
`;

const END_WITHIN_MS = 2_000;

try {
  const { values } = parseArgs({
    options: {
      keep: { type: 'boolean', default: false },
      'run-dir': { type: 'string', default: '.data/demo' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) process.stdout.write(USAGE);
  else {
    process.exitCode = await runDemo(
      { keep: values.keep, runDir: values['run-dir'] },
      new Report(process.stdout),
    );
    // A walk that was cut short may still wait for something that will never come.
    setTimeout(() => process.exit(), END_WITHIN_MS).unref();
  }
} catch (error) {
  const wrongUsage = error instanceof TypeError && 'code' in error;
  process.stderr.write(wrongUsage ? `demo: ${error.message}\n\n${USAGE}` : `demo: ${String(error)}\n`);
  process.exitCode = wrongUsage ? 2 : 1;
}
