import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { metricsAddress } from '#telemetry/address.ts';
import { type Listener, listenForScrapes } from '#telemetry/listener.ts';
import { onScrape } from '#telemetry/metrics.ts';

describe('where metrics are', () => {
  it('is on this machine alone unless asked for otherwise, each kind of process on a port of its own', () => {
    assert.deepEqual(metricsAddress('api', {}), { host: '127.0.0.1', port: 9876, usual: true });
    assert.deepEqual(metricsAddress('compute', { BLOCKYARD_METRICS_LISTEN: '0.0.0.0' }), {
      host: '0.0.0.0',
      port: 9879,
      usual: true,
    });
    assert.deepEqual(metricsAddress('storage', { BLOCKYARD_METRICS_LISTEN: '[::1]:7' }), {
      host: '::1',
      port: 7,
      usual: false,
    });
    assert.equal(metricsAddress('api', { BLOCKYARD_METRICS_LISTEN: 'off' }), null);
    for (const wrong of ['', ':9', 'a:b', 'a:70000', '::1', 'a b'])
      assert.throws(
        () => metricsAddress('api', { BLOCKYARD_METRICS_LISTEN: wrong }),
        /^Error: BLOCKYARD_METRICS_LISTEN must be/,
        wrong,
      );
  });

  it('gives way where the usual port is taken, and says so where one was asked for', async () => {
    await using taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const said: string[] = [];
    const options = {
      process: 'test',
      version: '1',
      troubles: async () => [],
      log: (line: string) => said.push(line),
    };
    let listener: Listener | undefined;
    try {
      const usual = { host: '127.0.0.1', port, usual: true };
      listener = await listenForScrapes({ ...options, address: usual });
      assert.notEqual(new URL(listener.url ?? '').port, String(port));
      assert.deepEqual(said, [`metrics of test: ${listener.url}/metrics`]);
      await assert.rejects(
        listenForScrapes({ ...options, address: { ...usual, usual: false } }),
        /^Error: BLOCKYARD_METRICS_LISTEN: .*EADDRINUSE/,
      );
    } finally {
      listener?.close();
    }
    assert.equal((await listenForScrapes({ ...options, address: null })).url, null);
  });

  it('answers metrics and health; what cannot be looked up holds up nothing', async () => {
    let troubles: readonly string[] = [];
    onScrape('test-broken', async () => {
      throw new Error('not now');
    });
    const listener = await listenForScrapes({
      address: { host: '127.0.0.1', port: 0, usual: true },
      process: 'test',
      version: '1',
      troubles: async () => troubles,
      log: () => undefined,
    });
    try {
      const ask = async (path: string, method = 'GET') => {
        const response = await fetch(`${listener.url}${path}`, { method });
        return [response.status, await response.text()] as const;
      };
      const [status, text] = await ask('/metrics');
      assert.equal(status, 200);
      assert.match(text, /^blockyard_scrape_failures_total\{collector="test-broken"\} 1$/m);
      assert.match(text, /^blockyard_build_info\{process="test",version="1"\} 1$/m);
      assert.match(text, /^process_cpu_seconds_total /m);
      assert.deepEqual(await ask('/healthz'), [200, 'ok\n']);
      assert.deepEqual(await ask('/readyz'), [200, 'ready\n']);
      troubles = ['MySQL does not answer'];
      assert.deepEqual(await ask('/readyz'), [503, 'MySQL does not answer\n']);
      assert.equal((await ask('/healthz'))[0], 200);
      assert.equal((await ask('/'))[0], 404);
      assert.equal((await ask('/metrics', 'POST'))[0], 405);
    } finally {
      listener.close();
    }
  });
});
