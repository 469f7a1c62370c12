import type { Lab } from '#lab/lab.ts';
import { labOrSkip } from '#test/support/lab.ts';

const NODE = '/opt/blockyard/node_modules/.bin/node';
const MOCHA = 'node_modules/mocha/bin/mocha.js';
/** Under emulation, beside other work. */
const INSIDE_MS = 20 * 60_000;

describe('open-iscsi on the compute node', function () {
  this.timeout(INSIDE_MS);
  let lab: Lab;

  before(async function () {
    lab = await labOrSkip(this);
  });

  it('passes its own tests inside (test/lab/inside/open-iscsi.ts)', async () => {
    const { stdout, exitCode } = await lab.compute.exec(
      `cd /opt/blockyard && ${NODE} ${MOCHA} --no-config --reporter dot test/lab/inside/open-iscsi.ts 2>&1`,
      { timeoutMs: INSIDE_MS },
    );
    if (exitCode !== 0) throw new Error(stdout);
  });
});
