import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import '#agent/metrics.ts';
import '#api/http/metrics.ts';
import '#compute-agent/metrics.ts';
import '#queues/conductor/gauges/collect.ts';
import '#queues/conductor/metrics.ts';
import { describeProcess, scrape } from '#telemetry/metrics.ts';
import '#storage-agent/metrics.ts';

const NAME = /\b(?:blockyard|nodejs)_[a-z0-9_]+\b/g;
const PARTS = /_(?:bucket|count|sum)$/;

describe('names of metrics', () => {
  let known: Set<string>;
  before(async () => {
    describeProcess('test', '1');
    known = new Set([...(await scrape()).matchAll(/^# TYPE (\S+)/gm)].map(([, name = '']) => name));
  });

  for (const file of [
    'docs/observability.md',
    'packaging/prometheus/blockyard.rules.yml',
    'packaging/prometheus/grafana-dashboard.json',
  ]) {
    it(`${file} names none that there is not`, () => {
      const named = readFileSync(file, 'utf8').match(NAME) ?? [];
      const unknown = named.filter((name) => !known.has(name) && !known.has(name.replace(PARTS, '')));
      assert.deepEqual(
        [...new Set(unknown)].filter((name) => name !== 'nodejs_'),
        [],
      );
      assert.ok(named.length > 10);
    });
  }

  it('docs/observability.md tells of each', () => {
    const text = readFileSync('docs/observability.md', 'utf8');
    const ours = [...known].filter((name) => name.startsWith('blockyard_'));
    assert.deepEqual(
      ours.filter((name) => !text.includes(name)),
      [],
    );
  });
});
