/** `npm run test:tempest`: OpenStack's own integration tests of block storage, against this tree. */
import { parseArgs } from 'node:util';
import { Interrupted, watchSignals } from './demo/interruption.ts';
import { reportOf, tell } from './tempest/report.ts';
import { runTempest } from './tempest/run.ts';

const USAGE = `Usage: npm run test:tempest -- [--regex WORDS] [--concurrency N] [--keystone] [--keep]

  --regex WORDS      only the tests of tempest.api.volume that match
  --concurrency N    workers of stestr (default 2)
  --keystone         identity from a real Keystone instead of Blockyard's own
  --keep             leave everything running after the tests, until Ctrl-C
`;

const signals = watchSignals();
try {
  const { values } = parseArgs({
    options: {
      regex: { type: 'string', default: '' },
      concurrency: { type: 'string', default: '2' },
      keystone: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) process.stdout.write(USAGE);
  else process.exitCode = await main(values);
} catch (error) {
  const wrongUsage = error instanceof TypeError && 'code' in error;
  if (!(error instanceof Interrupted)) process.stderr.write(`test:tempest: ${String(error)}\n`);
  if (wrongUsage) process.stderr.write(`\n${USAGE}`);
  process.exitCode = wrongUsage ? 2 : 1;
} finally {
  signals.close();
}

async function main(values: {
  regex: string;
  concurrency: string;
  keystone: boolean;
  keep: boolean;
}): Promise<number> {
  const concurrency = Number(values.concurrency);
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new TypeError('--concurrency is a number from 1 on');
  const abort = new AbortController();
  void signals.asked.then(() => abort.abort(new Interrupted()));
  const result = await runTempest({
    regex: values.regex,
    concurrency,
    auth: values.keystone ? 'keystone' : 'builtin',
    tell,
    signal: abort.signal,
    linger: async (ended, folder) => {
      console.log(reportOf(ended));
      if (!values.keep) return;
      console.log(`
Everything keeps running. Again, by hand:
  cd ${folder} && TEMPEST_CONFIG_DIR=$PWD TEMPEST_CONFIG=tempest.conf /usr/bin/stestr run REGEX
Ctrl-C stops it.`);
      await signals.asked;
    },
  });
  return result.surprises.length === 0 ? 0 : 1;
}
