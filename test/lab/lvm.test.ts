import type { Lab } from '#lab/lab.ts';
import { labOrSkip } from '#test/support/lab.ts';

/** Formatting with LUKS and restic take four minutes of emulation, beside other work ten and more: `npm run test:lab` has the time, `npm test` has not. */
const SUITES = process.env['BLOCKYARD_LAB'] === 'long' ? ['lvm', 'encrypted'] : ['lvm'];
/** Node, LVM and LUKS under emulation, on a machine that does other things too. */
const INSIDE_MS = 60 * 60_000;
const TREE = '/opt/blockyard';

describe('LVM on the storage node', function () {
  this.timeout(INSIDE_MS);
  let lab: Lab;
  before(async function () {
    lab = await labOrSkip(this);
  });

  for (const suite of SUITES)
    it(`passes its own tests inside (test/lab/inside/${suite}.ts)`, async () => {
      const { exitCode, stdout } = await lab.storage.exec(
        `cd ${TREE} && PATH=${TREE}/node_modules/.bin:$PATH
        node node_modules/mocha/bin/mocha.js --no-config --reporter dot test/lab/inside/${suite}.ts 2>&1`,
        { timeoutMs: INSIDE_MS },
      );
      if (exitCode !== 0) throw new Error(stdout);
    });
});
