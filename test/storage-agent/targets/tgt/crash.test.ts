import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { truncate } from 'node:fs/promises';
import type { ClearAcl } from '#storage-agent/targets/target.ts';
import { createTgtClient, type TgtClient } from '#storage-agent/targets/tgt/client.ts';
import { createTgtTarget } from '#storage-agent/targets/tgt/target.ts';
import { holdSession, qemuIo } from '../iscsi.ts';
import { type NumberedTarget, numbered } from '../numbered.ts';
import { IQN_PREFIX, startTgtFixture, type TgtFixture } from './fixture.ts';

const MIB = 1024 ** 2;
const acl = (name: string): ClearAcl => ({
  initiator: `iqn.2010-10.org.blockyard:host:${name}`,
  username: randomUUID().replaceAll('-', ''),
  secret: 'secret-secret-1',
});

class Crash extends Error {}

/**
 * The real client, which dies at its n-th call: before tgtd hears of it, or after tgtd has carried it out. One that
 * `livesOn` gets no answer to that call only.
 */
function dyingClient(client: TgtClient, at: number, when: 'before' | 'after', livesOn = false): TgtClient {
  let calls = 0;
  return new Proxy(client, {
    get(real, name: keyof TgtClient) {
      return async (...args: unknown[]) => {
        calls += 1;
        if (calls > at && !livesOn) throw new Crash();
        if (calls === at && when === 'before') throw new Crash();
        const dies = calls === at;
        const answer = (real[name] as (...args: unknown[]) => Promise<unknown>)(...args);
        if (!dies) return await answer;
        // Also when tgtd refuses.
        await answer.catch(() => undefined);
        throw new Crash();
      };
    },
  });
}

describe('tgt target, crashing at every step', () => {
  let fixture: TgtFixture;
  let client: TgtClient;
  before(async () => {
    fixture = await startTgtFixture();
    client = createTgtClient(fixture.socket);
  });
  after(() => fixture[Symbol.asyncDispose]());

  const targetOver = (over: TgtClient): NumberedTarget =>
    numbered(createTgtTarget({ client: over, portals: [fixture.tgtd.portal], iqnPrefix: IQN_PREFIX }));

  const make = async () => {
    const volume = randomUUID();
    await fixture.backend.ensure(volume, 16 * MIB);
    return { volume, device: { path: fixture.backend.devicePath(volume), discard: true } };
  };

  /** Whoever may log in must need CHAP, at every moment. */
  const assertClosed = async (volume: string): Promise<void> => {
    const found = (await client.targets()).find(({ name }) => name.endsWith(volume));
    if (found === undefined || found.initiators.length === 0) return;
    assert.match(found.accounts[0] ?? '', /^guard:/);
  };

  /** Runs `work` with a crash at every call in turn, then once more with a new agent; ends when it gets through. */
  const crashEverywhere = async (
    prepare: () => Promise<{ volume: string }>,
    work: (target: NumberedTarget) => Promise<unknown>,
    check: () => Promise<void>,
  ): Promise<void> => {
    for (const when of ['before', 'after'] as const) {
      for (let at = 1; ; at += 1) {
        assert.ok(at < 100, 'never got through');
        const { volume } = await prepare();
        let crashed = false;
        try {
          await work(targetOver(dyingClient(client, at, when)));
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          crashed = true;
        }
        await assertClosed(volume);
        const again = targetOver(client);
        await work(again);
        await check();
        await again.absent(volume);
        assert.equal(await again.find(volume), null);
        if (!crashed) break;
      }
    }
    assert.deepEqual(await client.targets(), []);
    assert.deepEqual(await client.accounts(), []);
  };

  it('makes an export', async () => {
    let made = await make();
    const [a, b] = [acl('a'), acl('b')];
    await crashEverywhere(
      async () => (made = await make()),
      (target) => target.ensure(made.volume, made.device, [a, b]),
      async () => {
        const connection = await targetOver(client).ensure(made.volume, made.device, [a, b]);
        await qemuIo(connection, a, 'length');
        await qemuIo(connection, b, 'length');
      },
    );
  }).timeout(60_000);

  it('changes an export’s initiators', async () => {
    let made = await make();
    const [a, b, c, d] = [acl('a'), acl('b'), acl('c'), acl('d')];
    await crashEverywhere(
      async () => {
        made = await make();
        await targetOver(client).ensure(made.volume, made.device, [a, b, c]);
        return made;
      },
      (target) => target.ensure(made.volume, made.device, [b, d]),
      async () => {
        const found = (await client.targets()).find(({ name }) => name.endsWith(made.volume));
        assert.deepEqual(new Set(found?.initiators), new Set([b.initiator, d.initiator]));
        assert.deepEqual(new Set(found?.accounts.slice(1)), new Set([b.username, d.username]));
      },
    );
  }).timeout(60_000);

  for (const next of ['the same agent', 'the next one']) {
    it(`leaves no account of an export that failed and is taken back by ${next}`, async () => {
      const { volume, device } = await make();
      const [a, b, c] = [acl('a'), acl('b'), acl('c')];
      for (const when of ['before', 'after'] as const) {
        for (let at = 1, failed = true; failed; at += 1) {
          assert.ok(at < 100, 'never got through');
          await targetOver(client).ensure(volume, device, [a, b]);
          const target = targetOver(dyingClient(client, at, when, next === 'the same agent'));
          failed = await target.ensure(volume, device, [b, c]).then(
            () => false,
            (error: unknown) => error instanceof Crash,
          );
          const last = next === 'the same agent' ? target : targetOver(client);
          // Where the export got through it is this that fails.
          await last.absent(volume).catch(() => last.absent(volume));
          assert.deepEqual(await client.accounts(), [], `${when} call ${at}`);
        }
      }
    }).timeout(60_000);
  }

  it('keeps the guard when a call that was carried out got no answer, and the same agent asks again', async () => {
    const [a, b, c] = [acl('a'), acl('b'), acl('c')];
    for (let at = 1, failed = true; failed; at += 1) {
      assert.ok(at < 100, 'never got through');
      const { volume, device } = await make();
      const target = targetOver(dyingClient(client, at, 'after', true));
      failed = false;
      const twice = async <T>(work: () => Promise<T>): Promise<T> => {
        try {
          return await work();
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          failed = true;
          return await work();
        }
      };
      for (const acls of [[a, b], [b, c], [c]]) {
        const connection = await twice(() => target.ensure(volume, device, acls));
        const found = (await client.targets()).find(({ name }) => name.endsWith(volume));
        const users = acls.map(({ username }) => username);
        assert.deepEqual(found?.accounts[0], `guard:${connection.iqn}`, `call ${at}`);
        assert.deepEqual(new Set(found?.accounts.slice(1)), new Set(users), `call ${at}`);
      }
      await twice(() => target.absent(volume));
      assert.deepEqual([await client.targets(), await client.accounts()], [[], []], `call ${at}`);
    }
  }).timeout(60_000);

  it('removes an export', async () => {
    let made = await make();
    await crashEverywhere(
      async () => {
        made = await make();
        await targetOver(client).ensure(made.volume, made.device, [acl('a'), acl('b')]);
        return made;
      },
      (target) => target.absent(made.volume),
      async () => assert.equal(await targetOver(client).find(made.volume), null),
    );
  }).timeout(60_000);

  it('grows an export', async () => {
    let made = await make();
    const a = acl('a');
    await crashEverywhere(
      async () => {
        made = await make();
        await targetOver(client).ensure(made.volume, made.device, [a]);
        await truncate(made.device.path, 32 * MIB);
        return made;
      },
      (target) => target.grown(made.volume, made.device, 32 * MIB),
      async () => {
        const connection = await targetOver(client).ensure(made.volume, made.device, [a]);
        assert.match(await qemuIo(connection, a, 'length'), /32 MiB/);
      },
    );
  }).timeout(60_000);

  it('grows an export under a session', async () => {
    const made = await make();
    const a = acl('a');
    const connection = await targetOver(client).ensure(made.volume, made.device, [a]);
    const held = await holdSession(connection, a);
    try {
      await held.say('write -P 3 0 64k');
      // Offline; sessions being closed; device swapped.
      for (const at of [2, 4, 7]) {
        const size = (16 + at * 16) * MIB;
        await truncate(made.device.path, size);
        await targetOver(dyingClient(client, at, 'after'))
          .grown(made.volume, made.device, size)
          .catch((error: unknown) => assert.ok(error instanceof Crash));
        await targetOver(client).grown(made.volume, made.device, size);
        assert.match(await held.say('read -P 3 0 64k'), /read 65536/);
      }
    } finally {
      await held.end();
    }
    await targetOver(client).absent(made.volume);
  }).timeout(60_000);
});
