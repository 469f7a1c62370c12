import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { takeReport } from '#queues/conductor/reports.ts';
import { ServerClaims } from '#queues/conductor/server-claims.ts';
import type { ServerId } from '#schema/ids.ts';
import type { ComputeReport } from '#schema/reports.ts';
import { createYard, type Yard } from '../../support/yard.ts';

describe('what a host may say of itself', function () {
  this.timeout(60_000);
  let yard: Yard;
  let now = 1_800_000_000_000;
  const clock = { now: () => now };
  const said: string[] = [];
  const server = randomUUID();

  before(async () => {
    yard = await createYard();
  });
  after(() => yard?.[Symbol.asyncDispose]());

  const report = (host: string, servers: string[]): ComputeReport => ({
    kind: 'compute',
    host,
    bootId: 'boot',
    version: 'test',
    availabilityZone: 'nova',
    initiator: `iqn.2010-10.org.blockyard:host:${host}`,
    ip: '127.0.0.1',
    room: { vcpus: 1, memoryMib: 1 },
    servers: servers.map((id) => ({
      id,
      name: 'web',
      projectId: 'p1',
      status: 'ACTIVE',
      vcpus: 1,
      memoryMib: 1,
    })),
  });
  const take = (claims: ServerClaims, host: string, servers: string[], from = `compute.${host}`) =>
    takeReport(
      {
        db: yard.db,
        clock,
        claims,
        storage: () => assert.fail('no storage host reports'),
        present: async () => undefined,
        log: (line) => said.push(line),
      },
      JSON.stringify(report(host, servers)),
      from,
    );
  const hostOf = async () =>
    (
      await yard.db
        .selectFrom('servers')
        .select('host')
        .where('id', '=', server as ServerId)
        .executeTakeFirst()
    )?.host;

  it('comes from its own place, or not at all', async () => {
    const claims = new ServerClaims(clock);
    await assert.rejects(take(claims, 'comp1', [server], 'compute.thief'), {
      message: 'it is in the name of compute.comp1',
    });
    await assert.rejects(take(claims, 'comp1', [server], 'storage.comp1'));
    assert.equal(await hostOf(), undefined);
  });

  it('is no server that another host has, until that one lets go of it', async () => {
    const claims = new ServerClaims(clock);
    await take(claims, 'comp1', [server]);
    await take(claims, 'thief', [server]);
    assert.equal(await hostOf(), 'comp1');
    assert.deepEqual(said.splice(0), [`host thief reports server ${server}, which host comp1 has: left out`]);
    // It has gone from there: migrated, say.
    await take(claims, 'comp1', []);
    await take(claims, 'thief', [server]);
    assert.equal(await hostOf(), 'thief');
  });

  it('is a server of a host that has been silent for long, and not of one that is only not heard yet', async () => {
    const claims = new ServerClaims(clock);
    await take(claims, 'comp1', [server]);
    assert.equal(await hostOf(), 'thief', 'a conductor that has just started believes nobody');
    now += 59_000;
    await take(claims, 'comp1', [server]);
    assert.equal(await hostOf(), 'thief');
    now += 2_000;
    await take(claims, 'comp1', [server]);
    assert.equal(await hostOf(), 'comp1');
  });
});
