import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createReseal } from '#queues/conductor/reseal.ts';
import { agentKeys, createSecrets, ownKeys } from '#queues/secrets.ts';
import type { TaskError } from '#schema/tasks.ts';

describe('secrets', () => {
  const secrets = createSecrets(randomBytes(32).toString('hex'));

  it('gives back what it sealed, never the same text twice', () => {
    const one = secrets.encrypt('péril', 'volume-1');
    assert.equal(secrets.decrypt(one, 'volume-1'), 'péril');
    assert.notEqual(secrets.encrypt('péril', 'volume-1'), one);
    assert.ok(!one.includes('péril'));
  });

  it('refuses another context, another key and changed text', () => {
    const sealed = secrets.encrypt('secret', 'volume-1');
    assert.throws(() => secrets.decrypt(sealed, 'volume-2'));
    assert.throws(() => createSecrets(randomBytes(32).toString('hex')).decrypt(sealed, 'volume-1'));
    // Not the last character: some of its bits mean nothing.
    const flipped = sealed.slice(0, -2) + (sealed.at(-2) === 'A' ? 'B' : 'A') + sealed.slice(-1);
    assert.throws(() => secrets.decrypt(flipped, 'volume-1'));
    assert.throws(() => secrets.decrypt('plain', 'volume-1'));
  });

  it('takes no key but 32 bytes in hexadecimal', () => {
    for (const bad of ['short', '', `${'ab'.repeat(32)},`, `${'ab'.repeat(32)},short`])
      assert.throws(() => createSecrets(bad), { message: 'a key must be 64 hexadecimal characters' });
  });

  it('encrypts with the first of several keys and opens what any of them sealed', () => {
    const [fresh, old] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
    const sealed = createSecrets(old).encrypt('secret', 'v');
    const both = createSecrets(`${fresh},${old}`);
    assert.equal(both.decrypt(sealed, 'v'), 'secret');
    assert.equal(both.isCurrent(sealed), false);
    const anew = both.encrypt('secret', 'v');
    assert.equal(both.isCurrent(anew), true);
    assert.equal(createSecrets(fresh).decrypt(anew, 'v'), 'secret');
    assert.throws(() => createSecrets(old).decrypt(anew, 'v'), /sealed with a key that is not here/);
    // It has room in MySQL's column.
    assert.ok(anew.length <= 255);
    for (const one of [fresh, old])
      assert.equal(createSecrets(one).decrypt(both.encryptForEach('secret', 'v'), 'v'), 'secret');
  });

  it('opens what was sealed before keys had names', () => {
    const key = '0123456789abcdef'.repeat(4);
    const sealed = 'v1.AAECAwQFBgcICQoLfr8QgnOin71UaVt47fpCzPJh-W9jkw';
    assert.equal(createSecrets(`${'ab'.repeat(32)},${key}`).decrypt(sealed, 'volume-1'), 'secret');
    assert.throws(() => createSecrets('ab'.repeat(32)).decrypt(sealed, 'volume-1'));
  });

  it("gives each agent a key of its own, which opens nothing of another's", () => {
    const master = `${randomBytes(32).toString('hex')},${randomBytes(32).toString('hex')}`;
    const one = agentKeys(master, 'compute.one');
    assert.equal(one, agentKeys(master, 'compute.one'));
    assert.match(one, /^[0-9a-f]{64},[0-9a-f]{64}$/);
    for (const other of [agentKeys(master, 'compute.two'), agentKeys(master, 'storage.one'), master]) {
      const sealed = createSecrets(other).encryptForEach('secret', 'v');
      assert.throws(() => createSecrets(one).decrypt(sealed, 'v'));
    }
    // On one machine both come to the same.
    assert.equal(ownKeys({ BLOCKYARD_SECRET_KEY: master }, 'compute.one'), one);
    assert.equal(ownKeys({ BLOCKYARD_SECRET_KEY: master, BLOCKYARD_AGENT_KEY: 'own' }, 'compute.one'), 'own');
    assert.throws(() => ownKeys({}, 'compute.one'), { message: 'BLOCKYARD_AGENT_KEY is not set' });
  });

  it("is sealed anew for the agent that a task goes to, and can't be sent with a key that is gone", () => {
    const master = randomBytes(32).toString('hex');
    const reseal = createReseal(master);
    const chap = { username: 'u', secret: createSecrets(master).encrypt('chap secret', 'v') };
    const envelope = (input: object) => ({ volumeId: 'v.lane', seq: 1, requestId: 'r', input });
    const agent = createSecrets(agentKeys(master, 'compute.one'));
    const attach = reseal('compute.one', envelope({ volumeId: 'v', serverId: 's', chap }));
    const { input } = attach as { input: { chap: typeof chap; serverId: string } };
    assert.equal(agent.decrypt(input.chap.secret, 'v'), 'chap secret');
    assert.equal(input.serverId, 's');
    assert.throws(() => createSecrets(agentKeys(master, 'compute.two')).decrypt(input.chap.secret, 'v'));
    const ensure = reseal('storage.s', envelope({ volumeId: 'v', acls: [{ initiator: 'i', chap }] }));
    const [acl] = (ensure.input as { acls: { chap: typeof chap }[] }).acls;
    const storage = createSecrets(agentKeys(master, 'storage.s'));
    assert.equal(storage.decrypt(acl!.chap.secret, 'v'), 'chap secret');
    const none = envelope({ volumeId: 'v', acls: [] });
    assert.equal(reseal('storage.s', none), none);
    assert.throws(
      () => createReseal(randomBytes(32).toString('hex'))('compute.one', envelope({ volumeId: 'v', chap })),
      (error: TaskError) =>
        error.code === 'refused' &&
        /BLOCKYARD_SECRET_KEY/.test(error.message) &&
        !error.message.includes('v2.'),
    );
  });

  it('makes CHAP secrets of 16 characters', () => {
    assert.match(secrets.chapSecret(), /^[\w-]{16}$/);
  });
});
