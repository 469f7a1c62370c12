import assert from 'node:assert/strict';
import type { Selectable } from 'kysely';
import { NoValidPool, Placement, release } from '#queues/placement/place.ts';
import { DEFAULT_WEIGHTS, type Weights } from '#queues/placement/weighers.ts';
import { systemClock } from '#queues/system.ts';
import { LostRow, transaction } from '#queues/transaction.ts';
import { sqlTime } from '#schema/clock.ts';
import { asId, type PoolName } from '#schema/ids.ts';
import type { PoolsTable } from '#schema/tables.ts';
import { createYard, type Yard } from '#test/support/yard.ts';

const wanted = (sizeGib: number, extraSpecs: Record<string, string> = {}) => ({
  sizeGib,
  zones: ['nova'],
  extraSpecs,
});

describe('placement', () => {
  let yard: Yard;
  beforeEach(async () => {
    yard = await createYard();
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  const put = (sizeGib: number, specs: Record<string, string> = {}, weights: Weights = DEFAULT_WEIGHTS) =>
    transaction(yard.db, (tx) => new Placement(weights, systemClock).place(tx, wanted(sizeGib, specs)));
  const change = (changes: Partial<Selectable<PoolsTable>>) =>
    yard.db
      .updateTable('pools')
      .set(changes as object)
      .execute();
  const refusedBecause = async (reason: RegExp, sizeGib = 1, specs: Record<string, string> = {}) => {
    const before = await yard.state();
    await assert.rejects(
      put(sizeGib, specs),
      (error) => error instanceof NoValidPool && reason.test(error.message),
    );
    assert.deepEqual(await yard.state(), before, 'a refusal reserves nothing');
  };
  async function addPool(name: string, changes: Partial<Selectable<PoolsTable>> = {}): Promise<void> {
    const [model] = await yard.db.selectFrom('pools').selectAll().limit(1).execute();
    assert.ok(model);
    await yard.db
      .insertInto('pools')
      .values({ ...model, ...changes, name: asId<PoolName>(`stor1@files#${name}`), backend_name: name })
      .execute();
  }

  it('names each backend and why it was refused', async () => {
    await addPool('fast', { availability_zone: 'paris' });
    await refusedBecause(
      /stor1@files#fast: it is in availability zone paris.*stor1@files#files: its volume_backend_name is files/,
      1,
      {
        volume_backend_name: 'fast',
      },
    );
  });

  it('says so when nothing has reported yet', async () => {
    await yard.db.deleteFrom('pools').execute();
    await refusedBecause(/No storage backend has reported yet/);
  });

  it('refuses a service that is down or disabled, with the operator’s own words', async () => {
    await yard.db.updateTable('services').set({ disabled: 1, disabled_reason: 'disk swap' }).execute();
    await refusedBecause(/disabled \(disk swap\)/);
    await yard.db
      .updateTable('services')
      .set({ disabled: 0, last_seen_at: sqlTime(systemClock.now() - 61_000) })
      .execute();
    await refusedBecause(/down \(last heard of 6\d s ago\)/);
  });

  it('counts what is promised, keeps the reserve, and gives room back', async () => {
    await change({ reserved_percentage: 10 });
    await refusedBecause(/room for 90 GiB, not for 91/, 91);
    await put(50);
    await refusedBecause(/room for 40 GiB/, 41);
    const pool = await put(40);
    await transaction(yard.db, async (tx) => release(tx, pool, 40, 1));
    await put(40);
  });

  it('believes the agent when the host is fuller than our volumes explain', async () => {
    await change({ free_gib: 5 });
    await refusedBecause(/room for 5 GiB, not for 6/, 6);
    await put(5);
  });

  it('over-subscribes thin pools by their ratio, yet never by one volume larger than the pool', async () => {
    await change({ thin: 1, max_over_subscription_ratio: 2, free_gib: 1 });
    await refusedBecause(/its whole size is 100 GiB/, 101);
    await put(100);
    await put(99);
    await refusedBecause(/room for 1 GiB, not for 2/, 2);
  });

  it('matches extra specs with Cinder’s operators', async () => {
    await change({ capabilities: JSON.stringify({ compression: true, iops: 500, vendor: 'acme' }) });
    for (const [specs, fits] of [
      [{ compression: '<is> True' }, true],
      [{ compression: '<is> False' }, false],
      [{ 'capabilities:iops': '>= 400' }, true],
      [{ 'capabilities:iops': '>= 501' }, false],
      [{ vendor: '<or> other <or> acme' }, true],
      [{ vendor: '<in> cm' }, true],
      [{ vendor: 's!= acme' }, false],
      [{ unheard_of: '1' }, false],
      [{ 'hw:anything': 'meant for somebody else' }, true],
      [{ multiattach: '<is> True' }, true],
      [{ thin_provisioning_support: '<is> True' }, false],
    ] as const) {
      const attempt = put(1, specs);
      if (fits) await attempt;
      else await assert.rejects(attempt, NoValidPool, JSON.stringify(specs));
    }
  });

  it('prefers by weight: most room by default, fewest volumes when asked', async () => {
    await addPool('large', { total_gib: 500, free_gib: 500, volume_count: 9 });
    assert.equal(await put(1), 'stor1@files#large');
    assert.equal(await put(1, {}, { capacity: 0, allocated: 0, volumes: 1 }), 'stor1@files#files');
  });

  describe('from memory', () => {
    const remembering = new Placement({ capacity: 1, allocated: 0, volumes: 0 }, systemClock);
    const again = () => transaction(yard.db, (tx) => remembering.place(tx, wanted(1)));
    beforeEach(() => remembering.forget());

    it('spreads a burst over pools although it reads them once', async () => {
      await addPool('twin');
      const names = [await again(), await again(), await again(), await again()];
      assert.deepEqual(names.toSorted(), [
        'stor1@files#files',
        'stor1@files#files',
        'stor1@files#twin',
        'stor1@files#twin',
      ]);
    });

    it('never takes room that is gone, nor a service that was disabled a moment ago', async () => {
      await again();
      await change({ free_gib: 0 });
      await assert.rejects(again(), LostRow);
      await change({ free_gib: 50 });
      await yard.db.updateTable('services').set({ disabled: 1 }).execute();
      await assert.rejects(again(), LostRow);
      const { volume_count } = await yard.db.selectFrom('pools').selectAll().executeTakeFirstOrThrow();
      assert.equal(volume_count, 1, 'what was lost is not counted');
    });
  });

  it('gives the last gigabyte to one of many that ask at the same moment', async () => {
    await change({ free_gib: 3, total_gib: 3 });
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => put(1)));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3);
    for (const result of results) {
      if (result.status === 'rejected')
        assert.ok(result.reason instanceof NoValidPool, String(result.reason));
    }
  });
});
