import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { StorageReports } from '#queues/conductor/storage-reports.ts';
import type { StorageReport } from '#schema/reports.ts';
import { createYard, type Yard } from '../../support/yard.ts';

describe('reports of storage hosts', function () {
  this.timeout(60_000);
  let yard: Yard;
  let now = 1_800_000_000_000;
  const lost: string[] = [];

  before(async () => {
    yard = await createYard();
  });
  after(() => yard?.[Symbol.asyncDispose]());

  const reports = () =>
    new StorageReports({
      db: yard.db,
      clock: { now: () => now },
      exportsLost: (host, bootId) => void lost.push(`${host} ${bootId}`),
    });
  const report = (host: string, changes: Partial<StorageReport> = {}): StorageReport => ({
    kind: 'storage',
    host,
    bootId: 'boot',
    version: 'test',
    availabilityZone: 'nova',
    pools: [
      {
        backend: 'lvm',
        backendName: 'lvm',
        totalGib: 10,
        freeGib: 5,
        reservedPercentage: 0,
        maxOverSubscriptionRatio: 1,
        thin: true,
        capabilities: { driver: 'lvm' },
      },
    ],
    ...changes,
  });
  const services = (host: string) =>
    yard.db
      .selectFrom('services')
      .selectAll()
      .where('agent', '=', host as never)
      .orderBy('id')
      .execute();
  const writes = async (): Promise<number> => {
    const { rows } = await sql<{ Value: string }>`SHOW GLOBAL STATUS LIKE 'Com_commit'`.execute(yard.db);
    return Number(rows[0]?.Value);
  };

  it('become a service and pools, and again only a time', async () => {
    const take = reports();
    await take.take(report('one'));
    const [first] = await services('one');
    assert.deepEqual([first?.binary, first?.host, first?.boot_id], ['blockyard-storage', 'one@lvm', 'boot']);
    now += 10_000;
    await take.take(report('one'));
    const [second] = await services('one');
    assert.deepEqual(second, { ...first, last_seen_at: second?.last_seen_at });
    assert.notEqual(second?.last_seen_at, first?.last_seen_at);
    await take.take(report('two'));
    const [other] = await services('two');
    // A number that an INSERT takes is gone, also when it updates.
    assert.equal(other?.id, (first?.id ?? 0) + 1);
    const pool = await yard.db
      .selectFrom('pools')
      .selectAll()
      .where('name', '=', 'one@lvm#lvm' as never)
      .executeTakeFirst();
    assert.equal(pool?.free_gib, 5);
  });

  it('that come together are written together, the newest of each host', async () => {
    const take = reports();
    const before = await writes();
    const hosts = Array.from({ length: 40 }, (_, index) => `host${index}`);
    await Promise.all([
      ...hosts.map((host) => take.take(report(host))),
      take.take(report('host7', { version: 'newer' })),
    ]);
    assert.ok((await writes()) - before < 20);
    assert.equal((await services('host39')).length, 1);
    assert.equal((await services('host7'))[0]?.version, 'newer');
  });

  it('tell at each that a host has started anew, until MySQL has its new boot id', async () => {
    const take = reports();
    await take.take(report('three'));
    assert.deepEqual(lost, []);
    await take.take(report('three', { bootId: 'new' }));
    await take.take(report('three', { bootId: 'new' }));
    assert.deepEqual(lost, ['three new', 'three new']);
    assert.equal((await services('three'))[0]?.boot_id, 'boot');
  });

  it('that MySQL will not have keep no other out', async () => {
    const take = reports();
    const [pool] = report('x').pools;
    assert.ok(pool !== undefined);
    const results = await Promise.allSettled([
      take.take(report('four')),
      take.take(report('bad', { pools: [{ ...pool, backendName: 'n'.repeat(300) }] })),
      take.take(report('five')),
    ]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.equal((await services('five')).length, 1);
  });
});
