import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '#lab/lab.ts';
import { Client } from '#stack/demo/client.ts';
import type { Received } from '#test/e2e/observability/collector.ts';
import { labOrSkip, labSpans } from '#test/support/lab.ts';

describe('a trace through the lab', function () {
  this.timeout(240_000);
  let lab: Lab;
  before(async function () {
    lab = await labOrSkip(this);
  });

  it('goes from the request to the lvcreate on the storage node', async () => {
    const { stack } = lab;
    const [trace, caller] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
    const response = await fetch(`${stack.apiUrl}/v3/volumes`, {
      method: 'POST',
      headers: {
        'X-Auth-Token': stack.adminToken,
        'OpenStack-API-Version': 'volume 3.71',
        'Content-Type': 'application/json',
        traceparent: `00-${trace}-${caller}-01`,
      },
      body: JSON.stringify({ volume: { size: 1 } }),
    });
    assert.equal(response.status, 202);
    const { volume } = (await response.json()) as { volume: { id: string } };
    const client = new Client(stack);
    await client.volumeIs(volume.id, 'available', { deadlineMs: 120_000 });

    const { spans } = await labSpans();
    const ours = (): Received[] => spans.filter(({ traceId }) => traceId === trace);
    const lineage = (span: Received): string[] => {
      const parent = ours().find(({ spanId }) => spanId === span.parentSpanId);
      return [span.name, ...(parent === undefined ? [span.parentSpanId ?? ''] : lineage(parent))];
    };
    const made = (): Received | undefined => ours().find(({ name }) => name === 'lvcreate');
    // Spans are sent every few seconds, by each process for itself.
    const deadline = performance.now() + 60_000;
    while (made() === undefined || lineage(made()!).at(-1) !== caller) {
      const names = ours().map(({ service, name }) => `${service} ${name}`);
      assert.ok(performance.now() < deadline, `only these came: ${names.join(', ')}`);
      await sleep(200);
    }
    const span = made()!;
    assert.equal(span.service, 'blockyard-storage');
    assert.deepEqual(lineage(span), [
      'lvcreate',
      'task volume.ensure',
      'step volume',
      'operation volume.create',
      'POST /v3/volumes',
      caller,
    ]);

    const path = `/v3/volumes/${volume.id}`;
    await client.ask('DELETE', path);
    await client.until('404', path, ({ status }) => status === 404, { deadlineMs: 120_000 });
  });
});
