import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Lab } from '#lab/lab.ts';
import { labWalk } from '#lab/walk/walk.ts';
import { Client } from '#stack/demo/client.ts';
import { Unmet } from '#stack/demo/expect.ts';
import { Report } from '#stack/demo/report.ts';
import { labOrSkip } from '#test/support/lab.ts';

/** Two boots, some minutes of guests under emulation, on a machine that does other things too. */
const WALK_MS = 20 * 60_000;
/** Fewer would mean that a step has stopped looking. */
const OBSERVATIONS = 45;

describe('the walk through the lab', function () {
  this.timeout(WALK_MS);
  let lab: Lab;
  before(async function () {
    lab = await labOrSkip(this);
  });

  it('holds from a volume type to nothing left, hard resets of both nodes included', async () => {
    const out = new PassThrough();
    const said = text(out);
    const report = new Report(out as unknown as NodeJS.WriteStream);
    try {
      await labWalk({
        lab,
        client: new Client(lab.stack),
        report,
        made: {},
        guestCache: resolve('.data/cache/guest'),
      });
    } catch (error) {
      out.end();
      const unmet = error instanceof Unmet ? `\nexpected: ${error.expected}\nseen: ${error.seen}` : '';
      throw new Error(`${String(error)}${unmet}\n\n${await said}`, { cause: error });
    }
    out.end();
    assert.ok(report.observations >= OBSERVATIONS, `${report.observations} observations`);
  });
});
