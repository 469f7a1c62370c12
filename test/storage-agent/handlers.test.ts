import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdir, symlink, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Handlers } from '#agent/handlers.ts';
import { systemRunner } from '#agent/run.ts';
import { createSecrets } from '#queues/secrets.ts';
import type { Acl } from '#schema/tasks.ts';
import { GIB } from '#storage-agent/backends/backend.ts';
import { createFileBackend } from '#storage-agent/backends/file/backend.ts';
import { createStorageHandlers } from '#storage-agent/handlers.ts';
import { createDisks } from '#storage-agent/images/disks.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import type { Target } from '#storage-agent/targets/target.ts';
import { createTgtClient } from '#storage-agent/targets/tgt/client.ts';
import { createTgtTarget } from '#storage-agent/targets/tgt/target.ts';
import { holdSession, qemuIo } from './targets/iscsi.ts';
import { IQN_PREFIX, startTgtFixture, type TgtFixture } from './targets/tgt/fixture.ts';

const SECRET = 'planted-secret-1';
const context = { requestId: 'req-test', signal: new AbortController().signal };

describe('storage handlers', () => {
  const secrets = createSecrets(randomBytes(32).toString('hex'));
  let fixture: TgtFixture;
  let target: Target;
  let handlers: Handlers<'storage'>;
  before(async () => {
    fixture = await startTgtFixture();
    target = createTgtTarget({
      client: createTgtClient(fixture.socket),
      portals: [fixture.tgtd.portal],
      iqnPrefix: IQN_PREFIX,
    });
    const linked = join(dirname(fixture.socket), 'linked');
    await symlink(dirname(fixture.backend.devicePath(randomUUID())), linked);
    handlers = createStorageHandlers({
      backends: new Map([
        ['files', fixture.backend],
        ['same', fixture.backend],
        ['linked', await createFileBackend(linked, systemRunner)],
      ]),
      target,
      secrets,
      disks: createDisks(createQemuImg(systemRunner), dirname(fixture.socket)),
    });
  });
  after(() => fixture[Symbol.asyncDispose]());

  const login = () => ({
    initiator: 'iqn.2010-10.org.blockyard:host:a',
    username: `user-${randomUUID()}`,
    secret: SECRET,
  });
  const sealed = (volumeId: string, { initiator, username, secret }: ReturnType<typeof login>): Acl => ({
    initiator,
    chap: { username, secret: secrets.encrypt(secret, volumeId) },
  });

  it('carry a volume through its life, each step twice', async () => {
    const place = { volumeId: randomUUID(), backend: 'files' };
    const a = login();
    for (let round = 0; round < 2; round += 1)
      assert.deepEqual(await handlers['volume.ensure']({ ...place, sizeGib: 1 }, context), {
        sizeBytes: GIB,
      });
    const acls = [sealed(place.volumeId, a)];
    const { connection } = await handlers['export.ensure']({ ...place, number: 1, acls }, context);
    assert.ok(connection);
    assert.deepEqual(
      (await handlers['export.ensure']({ ...place, number: 1, acls }, context)).connection,
      connection,
    );
    await qemuIo(connection, a, 'write -P 9 512M 4k');
    for (let round = 0; round < 2; round += 1)
      assert.deepEqual(await handlers['volume.grow']({ ...place, sizeGib: 2 }, context), {
        sizeBytes: 2 * GIB,
      });
    assert.match(await qemuIo(connection, a, 'length', 'read -P 9 512M 4k'), /2 GiB/);
    for (let round = 0; round < 2; round += 1)
      assert.deepEqual(await handlers['export.ensure']({ ...place, number: 1, acls: [] }, context), {
        connection: null,
      });
    for (let round = 0; round < 2; round += 1)
      assert.deepEqual(await handlers['volume.absent'](place, context), {});
    assert.deepEqual(await target.list(), []);
    assert.deepEqual(await readdir(dirname(fixture.backend.devicePath(place.volumeId))), []);
  });

  it('do not remove a volume that somebody may log in to, or is logged in to', async () => {
    const place = { volumeId: randomUUID(), backend: 'files' };
    const a = login();
    await handlers['volume.ensure']({ ...place, sizeGib: 1 }, context);
    const { connection } = await handlers['export.ensure'](
      { ...place, number: 1, acls: [sealed(place.volumeId, a)] },
      context,
    );
    assert.ok(connection);
    const refused = { name: 'TaskError', code: 'refused' };
    await assert.rejects(handlers['volume.absent'](place, context), refused);
    const held = await holdSession(connection, a);
    await assert.rejects(handlers['volume.absent'](place, context), refused);
    assert.equal(await fixture.backend.activate(place.volumeId), true);
    assert.match(await held.say('read 0 4k'), /read 4096/);
    await held.end();
    await handlers['export.ensure']({ ...place, number: 1, acls: [] }, context);
    await handlers['volume.absent'](place, context);
  });

  it('say of a volume that is not there that it is not, once who is to be shut out is gone', async () => {
    const place = { volumeId: randomUUID(), backend: 'files', number: 4 };
    const [a, b] = [login(), { ...login(), initiator: 'iqn.2010-10.org.blockyard:host:b' }];
    const only = (who: typeof a) => ({ ...place, acls: [sealed(place.volumeId, who)] });
    await handlers['volume.ensure']({ ...place, sizeGib: 1 }, context);
    await handlers['export.ensure'](only(a), context);
    // By hand: the target has it open, and a may go on logging in.
    await unlink(fixture.backend.devicePath(place.volumeId));
    const cut = () => handlers['export.ensure']({ ...only(b), shutOut: [a.initiator] }, context);
    await assert.rejects(cut(), { name: 'TaskError', code: 'failed', message: /host:a / });
    await target.absent(place.volumeId, null);
    await assert.rejects(cut(), { name: 'TaskError', code: 'not-found' });
  });

  it('shut out of a volume that is not there who has left, let the others go on, and nobody join them', async () => {
    const place = { volumeId: randomUUID(), backend: 'files', number: 5 };
    const [a, b, c] = ['a', 'b', 'c'].map((name) => ({
      ...login(),
      initiator: `iqn.2010-10.org.blockyard:host:${name}`,
    })) as [ReturnType<typeof login>, ReturnType<typeof login>, ReturnType<typeof login>];
    const letIn = (...who: (typeof a)[]) => ({
      ...place,
      acls: who.map((each) => sealed(place.volumeId, each)),
    });
    await handlers['volume.ensure']({ ...place, sizeGib: 1 }, context);
    const { connection } = await handlers['export.ensure'](letIn(a, b), context);
    assert.ok(connection);
    await unlink(fixture.backend.devicePath(place.volumeId));
    const task = { ...letIn(b, c), shutOut: [a.initiator] };
    for (let time = 0; time < 2; time += 1) {
      await assert.rejects(handlers['export.ensure'](task, context), {
        name: 'TaskError',
        code: 'not-found',
      });
      assert.deepEqual((await target.find(place.volumeId))?.initiators, [b.initiator]);
    }
    await qemuIo(connection, b, 'length');
    for (const out of [a, c]) await assert.rejects(qemuIo(connection, out, 'length'));
    await target.absent(place.volumeId, null);
  });

  for (const backend of ['same', 'linked'])
    it(`do not take a volume for its own copy where two back ends lie in one place (${backend}), nor remove the only one`, async () => {
      const volumeId = randomUUID();
      await handlers['volume.ensure']({ volumeId, backend: 'files', sizeGib: 1 }, context);
      const to = { volumeId, backend };
      await assert.rejects(
        handlers['volume.copy']({ ...to, sizeGib: 1, from: { kind: 'local', backend: 'files' } }, context),
        { name: 'TaskError', code: 'refused' },
      );
      await handlers['volume.absent']({ ...to, keptIn: 'files' }, context);
      assert.equal(await fixture.backend.activate(volumeId), true);
      await handlers['volume.absent'](to, context);
      assert.equal(await fixture.backend.activate(volumeId), false);
    });

  it('say what is wrong in a word', async () => {
    const volumeId = randomUUID();
    const acls = [sealed(volumeId, login())];
    const invalid = { name: 'TaskError', code: 'invalid' };
    await assert.rejects(
      handlers['volume.ensure']({ volumeId, backend: 'nope', sizeGib: 1 }, context),
      invalid,
    );
    await assert.rejects(
      handlers['volume.ensure']({ volumeId: '../etc', backend: 'files', sizeGib: 1 }, context),
      invalid,
    );
    await assert.rejects(
      handlers['export.ensure']({ volumeId, backend: 'files', number: 1, acls }, context),
      {
        name: 'TaskError',
        code: 'not-found',
      },
    );
    await assert.rejects(handlers['volume.grow']({ volumeId, backend: 'files', sizeGib: 1 }, context), {
      name: 'TaskError',
      code: 'not-found',
    });
  });

  it('refuse a secret that was sealed for another volume or with another key', async () => {
    const place = { volumeId: randomUUID(), backend: 'files' };
    await handlers['volume.ensure']({ ...place, sizeGib: 1 }, context);
    const others = createSecrets(randomBytes(32).toString('hex'));
    for (const secret of [
      secrets.encrypt(SECRET, randomUUID()),
      others.encrypt(SECRET, place.volumeId),
      SECRET,
    ])
      await assert.rejects(
        handlers['export.ensure'](
          { ...place, number: 1, acls: [{ initiator: login().initiator, chap: { username: 'u', secret } }] },
          context,
        ),
        (error: Error) => /BLOCKYARD_AGENT_KEY/.test(error.message) && !error.message.includes(SECRET),
      );
    assert.equal(await target.find(place.volumeId), null);
    await handlers['volume.absent'](place, context);
  });
});
