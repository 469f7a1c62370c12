import assert from 'node:assert/strict';
import { configuration } from '#stack/tempest/configuration.ts';
import { parseExpected, readExpected } from '#stack/tempest/expected.ts';
import type { Outcome } from '#stack/tempest/outcomes.ts';
import { judge } from '#stack/tempest/verdict.ts';

const outcome = (id: string, status: Outcome['status']): Outcome => ({ id, status, seconds: 1, reason: '' });

describe('the verdict on Tempest', () => {
  const tests = ['tempest.a', 'tempest.b', 'tempest.c'];
  const expected = parseExpected(
    '| test | outcome | why |\n|---|---|---|\n| `tempest.b` | skip | for a reason |\n',
  );

  it('is content when all ends as the list says', () => {
    const came = [
      outcome('tempest.a', 'success'),
      outcome('tempest.b', 'skip'),
      outcome('tempest.c', 'success'),
    ];
    const verdict = judge(tests, came, expected);
    assert.deepEqual(verdict.surprises, []);
    assert.deepEqual([verdict.passed, verdict.skipped, verdict.wanted], [2, 1, 3]);
  });

  it('names what failed, never ran, passed against the list, or could not be cleaned up', () => {
    const came = [
      outcome('tempest.a', 'fail'),
      outcome('tempest.b', 'success'),
      outcome('tearDownClass (tempest.x)', 'fail'),
    ];
    const { surprises, failed, missing } = judge(tests, came, expected);
    assert.deepEqual(surprises, [
      'tempest.a: failed, expected to pass',
      'tempest.b: passed, expected to be skipped',
      'tempest.c: never ran, expected to pass',
      'tearDownClass (tempest.x): failed',
    ]);
    assert.deepEqual([failed, missing], [1, 1]);
  });

  it('asks for a list that can be read', async () => {
    assert.throws(() => parseExpected('| `tempest.b` | skip | |'), /not a new test/);
    for (const { why } of (await readExpected()).values()) assert.ok(why.length > 10);
  });

  it('is on a Tempest that is told of everything', () => {
    const text = configuration(
      {
        identityUrl: 'http://127.0.0.1:1/identity/v3',
        region: 'blockyard',
        admin: { user: 'admin', password: 'secret', project: 'admin' },
        image: 'i',
        flavor: 'f',
        backends: ['lvm', 'lvm2'],
        vendor: 'Blockyard',
      },
      '/folder',
    );
    assert.match(text, /\[volume\]\n(?:.+\n)*backend_names = lvm,lvm2\n/);
    assert.doesNotMatch(text, /\[volume-feature-enabled\]\n(?:.+\n)*.+ = false/);
  });
});
