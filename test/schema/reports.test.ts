import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { readConfig } from '#queues/conductor/config.ts';

const RIGHT = {
  DATABASE_URL: 'mysql://u@127.0.0.1/d',
  REDIS_URL: 'redis://127.0.0.1',
  BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
  BLOCKYARD_HOST: 'c1',
};

/** The figures that a process with this setting has. */
async function figures(
  setting: string | undefined,
): Promise<Record<'downAfter' | 'reportEvery' | 'listens', number>> {
  const { BLOCKYARD_SERVICE_DOWN_S: _, ...env } = process.env;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `import { DOWN_AFTER_S, REPORT_EVERY_S } from '#schema/reports.ts';
       import { Liveness } from '#queues/conductor/liveness.ts';
       let now = 1_000_000;
       const liveness = new Liveness(() => now);
       liveness.listening();
       liveness.heard('storage.a');
       let listens = 0;
       while (liveness.of('storage.a') !== 'down') { now += 1_000; listens += 1; liveness.listening(); }
       console.log(JSON.stringify({ downAfter: DOWN_AFTER_S, reportEvery: REPORT_EVERY_S, listens }));`,
    ],
    { env: { ...env, ...(setting !== undefined && { BLOCKYARD_SERVICE_DOWN_S: setting }) } },
  );
  return JSON.parse(stdout);
}

describe('how long a service may be silent', () => {
  it('is a minute, in which it reports six times', async () => {
    assert.deepEqual(await figures(undefined), { downAfter: 60, reportEvery: 10, listens: 61 });
  });
  it('is what the operator says; who may be silent for less reports more often', async () => {
    assert.deepEqual(await figures('12'), { downAfter: 12, reportEvery: 2, listens: 13 });
    assert.deepEqual(await figures('300'), { downAfter: 300, reportEvery: 10, listens: 301 });
  });
  it('is refused where nobody could keep to it, by name', () => {
    for (const wrong of ['0', '-60', '11', '12.5', 'a minute', '', '1000000']) {
      assert.throws(
        () => readConfig({ ...RIGHT, BLOCKYARD_SERVICE_DOWN_S: wrong }),
        /^Error: BLOCKYARD_SERVICE_DOWN_S must be /,
      );
    }
    readConfig({ ...RIGHT, BLOCKYARD_SERVICE_DOWN_S: '12' });
  });
});
