import assert from 'node:assert/strict';
import { reportOf } from '#stack/tempest/report.ts';
import { runTempest } from '#stack/tempest/run.ts';

const WITHIN_MS = 20 * 60_000;

describe('Tempest', () => {
  it('ends as docs/tempest.md says, test by test', async function () {
    this.timeout(WITHIN_MS);
    const result = await runTempest({ regex: '', concurrency: 2, auth: 'builtin', tell: () => undefined });
    const lines = reportOf(result).trimEnd().split('\n');
    assert.deepEqual(result.surprises, [], lines.join('\n'));
    console.log(`      ${lines.at(-1)}`);
  });
});
