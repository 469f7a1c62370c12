import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import type { Capacity } from '#storage-agent/backends/backend.ts';
import type { OpenBackend } from '#storage-agent/backends/open.ts';
import { storageReport } from '#storage-agent/report.ts';

describe('the report of a storage host', () => {
  // Nothing real can be made to stand still here: LVM behind its lock, NFS without its server.
  it('does not wait for a back end that does not answer, nor asks it again until it does', async () => {
    let asked = 0;
    let answer = Promise.withResolvers<Capacity>();
    const opened = (name: string, capacity: () => Promise<Capacity>): OpenBackend =>
      ({ config: { kind: 'file', name }, backend: { capacity } }) as unknown as OpenBackend;
    const backends = [
      opened('well', async () => ({ totalGib: 10, freeGib: 5 })),
      opened('hangs', () => {
        asked += 1;
        return answer.promise;
      }),
    ];
    const log: string[] = [];
    const reported = async (): Promise<string[]> =>
      (await storageReport(backends, undefined, (line) => log.push(line), 20)).map(({ backend }) => backend);
    assert.deepEqual([await reported(), await reported(), asked], [['well'], ['well'], 1]);
    assert.equal(log[0], 'backend hangs: its space is not known after 0.02 s');
    answer.resolve({ totalGib: 10, freeGib: 5 });
    await setImmediate();
    assert.deepEqual([await reported(), await reported(), asked], [['well', 'hangs'], ['well', 'hangs'], 3]);
    answer = Promise.withResolvers();
    assert.deepEqual([await reported(), asked], [['well'], 4]);
    answer.reject(new Error('the server is gone'));
    await setImmediate();
    assert.deepEqual([await reported(), log.at(-1)], [['well'], 'backend hangs: the server is gone']);
  });
});
