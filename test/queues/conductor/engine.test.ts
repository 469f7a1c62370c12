import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import type { EngineDeps } from '#queues/conductor/deps.ts';
import { runOperation } from '#queues/conductor/engine.ts';
import { keysOf, readKeysToBe } from '#queues/key-manager/keys-to-be.ts';
import { systemClock } from '#queues/system.ts';
import { sqlTime } from '#schema/clock.ts';
import { type AttachmentId, asId, type EncryptionKeyId, type VolumeId } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';
import { engineParts } from '#test/support/engine.ts';
import { ModelHost } from '#test/support/model-host.ts';
import { createYard, SIZE_GIB, type Yard } from '#test/support/yard.ts';

describe('engine', () => {
  let yard: Yard;
  beforeEach(async () => {
    yard = await createYard();
  });
  afterEach(async () => {
    await yard[Symbol.asyncDispose]();
  });

  const deps = (run: EngineDeps['dispatcher']['run']): EngineDeps => ({
    ...engineParts(yard),
    dispatcher: { run },
  });

  const hostsOf = (host: ModelHost) =>
    deps(async ({ task, envelope }) => host.carryOut(task, envelope.input));
  const volumeNow = () => yard.db.selectFrom('volumes').selectAll().executeTakeFirstOrThrow();

  it('frees a volume only when no attachment is left, reserved ones included', async () => {
    const host = new ModelHost();
    const volume = await yard.addVolume('in-use', true);
    host.volumes.set(volume, SIZE_GIB);
    const [leaving, reserved] = [
      await yard.addAttachment(volume, 'detaching', 0),
      await yard.addAttachment(volume, 'reserved', 0),
    ];
    for (const [attachment, status] of [
      [leaving, 'reserved'],
      [reserved, 'available'],
    ] as const) {
      const id = await yard.begin('attachment.revoke', volume, {}, attachment);
      await runOperation(hostsOf(host), id, new AbortController().signal);
      assert.equal((await volumeNow()).status, status);
    }
  });

  it('shuts hosts out of a volume whose data are lost, one after the other', async () => {
    const host = new ModelHost();
    const volume = await yard.addVolume('in-use', true);
    await yard.db.updateTable('volumes').set({ multiattach: 1 }).execute();
    const attachments = [
      await yard.addAttachment(volume, 'detaching', 0),
      await yard.addAttachment(volume, 'detaching', 0),
      await yard.addAttachment(volume, 'detaching', 0),
    ] as const;
    const kinds = ['attachment.revoke', 'volume.force-detach', 'attachment.revoke'] as const;
    for (const [index, kind] of kinds.entries()) {
      const id = await yard.begin(kind, volume, {}, attachments[index]);
      await runOperation(hostsOf(host), id, new AbortController().signal);
      const left = await yard.db.selectFrom('attachments').select('id').execute();
      assert.equal(left.length, 2 - index, kind);
    }
    assert.equal((await volumeNow()).status, 'available');
  });

  it('leaves the status to an extend that was accepted meanwhile', async () => {
    const host = new ModelHost();
    const volume = await yard.addVolume('in-use', true);
    host.volumes.set(volume, SIZE_GIB);
    const attachment = await yard.addAttachment(volume, 'detaching', 0);
    const revoke = await yard.begin('attachment.revoke', volume, {}, attachment);
    await yard.db.updateTable('volumes').set({ status: 'extending' }).execute();
    const extend = await yard.begin('volume.extend', volume, { fromGib: SIZE_GIB, toGib: SIZE_GIB + 1 });
    await runOperation(hostsOf(host), revoke, new AbortController().signal);
    const between = await volumeNow();
    assert.deepEqual([between.status, between.operation_id], ['extending', extend]);
    await runOperation(hostsOf(host), extend, new AbortController().signal);
    const { status, size_gib } = await volumeNow();
    assert.deepEqual([status, size_gib], ['available', SIZE_GIB + 1]);
  });

  it('sees an attachment that was added while it waited for the volume', async () => {
    const host = new ModelHost();
    const volume = await yard.addVolume('in-use', true);
    host.volumes.set(volume, SIZE_GIB);
    const attachment = await yard.addAttachment(volume, 'detaching', 0);
    const id = await yard.begin('attachment.revoke', volume, {}, attachment);
    let ended: Promise<void> | undefined;
    await yard.db.transaction().execute(async (trx) => {
      await trx.selectFrom('volumes').select('id').forUpdate().execute();
      ended = runOperation(hostsOf(host), id, new AbortController().signal);
      await setTimeout(200);
      await trx
        .insertInto('attachments')
        .values((eb) => ({
          id: asId<AttachmentId>(randomUUID()),
          volume_id: volume,
          project_id: asId('p1'),
          server_id: null,
          status: 'reserved' as const,
          host: null,
          managed: 0 as const,
          mountpoint: null,
          mode: 'rw' as const,
          connector: null,
          connection: null,
          initiator: null,
          chap_username: null,
          chap_secret: null,
          attached_at: null,
          created_at: eb.val(sqlTime(systemClock.now())),
          updated_at: null,
        }))
        .execute();
    });
    await ended;
    assert.equal((await volumeNow()).status, 'reserved');
  });

  it('gives hours to what copies data, and an upload a line of its own at the agent', async () => {
    const seen: [string, number | undefined][] = [];
    const noting = deps(async ({ task, envelope }, withinMs) => {
      seen.push([envelope.volumeId, withinMs]);
      return new ModelHost().carryOut(task === 'volume.upload' ? 'volume.ensure' : task, {
        ...(envelope.input as object),
        sizeGib: SIZE_GIB,
      });
    });
    const run = async (id: Parameters<typeof runOperation>[1]) => {
      await runOperation(noting, id, new AbortController().signal);
      return seen.at(-1);
    };
    const made = await yard.addVolume('creating', false);
    assert.deepEqual(await run(await yard.begin('volume.create', made, {})), [made, 180_000]);
    const image = { id: randomUUID(), diskFormat: 'raw', sizeBytes: 1, md5: null, sha512: null } as const;
    const filled = await yard.addVolume('creating', false);
    const filling = await yard.begin('volume.create', filled, { source: { kind: 'image', image } });
    assert.deepEqual(await run(filling), [filled, 6 * 3_600_000]);
    const volume = await yard.addVolume('uploading', true);
    const input = { imageId: await yard.addImage(), diskFormat: 'raw' } as const;
    const upload = await yard.begin('volume.upload', volume, input);
    assert.deepEqual(await run(upload), [`${volume}.upload`, 6 * 3_600_000]);
  });

  it('ends also when the reason is longer than its column', async () => {
    const volume = await yard.addVolume('attaching', true);
    const attachment = await yard.addAttachment(volume, 'attaching', 1);
    const id = await yard.begin('volume.attach', volume, { device: null }, attachment);
    const failing = deps(async () => {
      throw new TaskError('invalid', '\u{1F600}'.repeat(50_000));
    });
    await runOperation(failing, id, new AbortController().signal);
    const { state, error } = await yard.db.selectFrom('operations').selectAll().executeTakeFirstOrThrow();
    assert.equal(state, 'stuck');
    assert.match(error ?? '', /^\u{1F600}+ …; and undoing step "export" failed: \u{1F600}+ …$/u);
  });

  const recoded = async <To extends EncryptionKeyId | null>(to: To) => {
    const host = new ModelHost();
    const volume = await yard.addVolume('retyping', true);
    host.volumes.set(volume, SIZE_GIB);
    host.encrypted.set(volume, 'sealed');
    const keys = { from: await yard.addKey(), to };
    await yard.db.updateTable('volumes').set({ encryption_key_id: keys.from }).execute();
    const account = { username: 'mover', secret: 'sealed' };
    const type = { id: await yard.addType({}), multiattach: false };
    const input = { type, policy: 'on-demand', account, keys } as const;
    return { host, volume, keys, retype: await yard.begin('volume.retype', volume, input) };
  };
  const keysLeft = async () =>
    (await yard.db.selectFrom('encryption_keys').select('id').execute()).map((key) => key.id);

  it('never gives a replacement up behind its commit, and tells why it lasts in few steps', async () => {
    const { host, keys, retype } = await recoded(await yard.addKey());
    let refusals = 40;
    const failing = deps(async ({ task, envelope }) => {
      if (task === 'volume.replace' && refusals-- > 0)
        throw new TaskError(refusals % 2 === 0 ? 'failed' : 'refused', 'the volume is still exported');
      return host.carryOut(task, envelope.input);
    });
    await runOperation(failing, retype, new AbortController().signal);
    const { state } = await yard.db.selectFrom('operations').selectAll().executeTakeFirstOrThrow();
    assert.deepEqual([state, (await volumeNow()).status, refusals], ['done', 'available', -1]);
    assert.deepEqual(await keysLeft(), [keys.to]);
    const tries = await yard.db
      .selectFrom('operation_steps')
      .selectAll()
      .where('name', '=', 'replace')
      .execute();
    assert.ok(tries.length <= 12, `${tries.length} steps`);
    assert.ok(tries.some(({ error }) => error === 'the volume is still exported'));
  });

  it('drops both keys of a stuck retype with the volume', async () => {
    const { host, volume, keys, retype } = await recoded(await yard.addKey());
    const lost = deps(async ({ task, envelope }) => {
      if (task === 'volume.replace') throw new TaskError('not-found', 'neither is there');
      return host.carryOut(task, envelope.input);
    });
    await runOperation(lost, retype, new AbortController().signal);
    assert.equal((await volumeNow()).status, 'error');
    assert.deepEqual((await keysLeft()).toSorted(), [keys.from, keys.to].toSorted());
    await yard.db.updateTable('volumes').set({ status: 'deleting' }).execute();
    const id = await yard.begin('volume.delete', volume, {});
    await runOperation(hostsOf(host), id, new AbortController().signal);
    assert.deepEqual(await keysLeft(), []);
  });

  it('leaves no doubt of data that an image has been written over since; its keys go with the volume all the same', async () => {
    const { host, volume, keys, retype } = await recoded(await yard.addKey());
    await yard.db
      .updateTable('operations')
      .set({ state: 'stuck', error: 'ended by "blockyard restored"' })
      .where('id', '=', retype)
      .execute();
    await yard.db
      .updateTable('volumes')
      .set({ status: 'downloading', operation_id: null, migration_status: 'error' })
      .execute();
    const inDoubt = async (): Promise<EncryptionKeyId[]> => {
      const row = await yard.db
        .selectFrom('operations')
        .selectAll()
        .where('id', '=', retype)
        .executeTakeFirst();
      return keysOf(row?.kind ?? '', row?.input ?? '{}');
    };
    const writeOver = async (failure?: TaskError): Promise<void> => {
      const image = { imageId: randomUUID() } as never;
      const id = await yard.begin('volume.reimage', volume, { image, metadata: {} });
      const hosts = deps(async ({ task, envelope }) => {
        if (failure !== undefined) throw failure;
        return host.carryOut(task, envelope.input);
      });
      await runOperation(hosts, id, new AbortController().signal);
    };
    await writeOver(new TaskError('invalid', 'no such image'));
    assert.deepEqual([(await volumeNow()).status, await inDoubt()], ['error', [keys.from, keys.to]]);
    await yard.db.updateTable('volumes').set({ status: 'downloading' }).execute();
    await writeOver();
    assert.deepEqual([(await volumeNow()).status, await inDoubt()], ['available', []]);
    const kept = [keys.from, keys.to].toSorted();
    assert.deepEqual([...(await readKeysToBe(yard.db)).keys()].toSorted(), kept);
    assert.deepEqual((await keysLeft()).toSorted(), kept);
    // It has been moved since.
    await yard.db.updateTable('volumes').set({ status: 'deleting', migration_status: 'success' }).execute();
    const id = await yard.begin('volume.delete', volume, {});
    await runOperation(hostsOf(host), id, new AbortController().signal);
    assert.deepEqual(await keysLeft(), []);
  });

  for (const to of ['another encryption', 'none']) {
    it(`keeps no key for a retype to ${to} that has changed nothing, though it could not be turned back`, async () => {
      const { host, volume, keys, retype } = await recoded(to === 'none' ? null : await yard.addKey());
      const failing = deps(async ({ task, envelope }) => {
        if (task === 'volume.stage' || task === 'volume.unstage') throw new TaskError('invalid', 'no room');
        return host.carryOut(task, envelope.input);
      });
      await runOperation(failing, retype, new AbortController().signal);
      const { state, kind, input } = await yard.db
        .selectFrom('operations')
        .selectAll()
        .executeTakeFirstOrThrow();
      const { status, encryption_key_id } = await volumeNow();
      assert.deepEqual([state, status, encryption_key_id], ['stuck', 'available', keys.from]);
      assert.deepEqual([keysOf(kind, input), await keysLeft()], [[], [keys.from]]);
      await yard.db.updateTable('volumes').set({ status: 'deleting' }).execute();
      const id = await yard.begin('volume.delete', volume, {});
      await runOperation(hostsOf(host), id, new AbortController().signal);
      assert.deepEqual(await keysLeft(), []);
    });
  }

  describe('a detach', () => {
    const detaching = async () => {
      const host = new ModelHost();
      const volume = await yard.addVolume('detaching', true);
      host.volumes.set(volume, SIZE_GIB);
      const attachment = await yard.addAttachment(volume, 'detaching', 1);
      host.exports.set(volume, [`iqn.2010-10.org.blockyard:host:comp1 user-${attachment}`]);
      host.disks.set(`${yard.server} ${volume}`, { device: '/dev/vdb', iotune: {} });
      return { host, volume, attachment };
    };
    const attachmentNow = () => yard.db.selectFrom('attachments').select('status').executeTakeFirst();
    /** Each attempt to unplug lets go and then fails with the next of these. */
    const failing = (host: ModelHost, codes: TaskError['code'][]) =>
      deps(async ({ task, envelope }) => {
        const output = host.carryOut(task, envelope.input);
        const code = task === 'disk.detach' ? codes.shift() : undefined;
        if (code !== undefined) throw new TaskError(code, 'a volume group on the host holds the disk');
        return output;
      });
    const run = async (
      parts: EngineDeps,
      volume: VolumeId,
      attachment: AttachmentId,
      serverGone: boolean,
    ) => {
      const id = await yard.begin('volume.detach', volume, serverGone ? { serverGone } : {}, attachment);
      await runOperation(parts, id, new AbortController().signal);
      const { state, error } = await yard.db
        .selectFrom('operations')
        .select(['state', 'error'])
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      return {
        state,
        error,
        volume: (await volumeNow()).status,
        attachment: (await attachmentNow())?.status,
      };
    };

    for (const [last, serverGone] of [
      ['failed', false],
      ['not-found', false],
      ['stale', true],
    ] as const) {
      const whose = serverGone ? 'a server that is being deleted' : 'its guest';
      it(`that ends with "${last}" once ${whose} has let go does not say that it is attached`, async () => {
        const { host, volume, attachment } = await detaching();
        const codes = [...Array<'failed'>(7).fill('failed'), last];
        const end = await run(failing(host, codes), volume, attachment, serverGone);
        assert.match(end.error ?? '', /holds the disk/);
        assert.deepEqual([end.state, end.volume, end.attachment], ['stuck', 'error', 'error_detaching']);
        assert.equal(host.exports.size, 1, 'the host still has its connection');
        await yard.db.updateTable('attachments').set({ status: 'detaching' }).execute();
        const again = await run(hostsOf(host), volume, attachment, serverGone);
        assert.deepEqual([again.state, again.volume, again.attachment], ['done', 'available', undefined]);
      });
    }

    it('is tried again where the host could not disconnect at once', async () => {
      const { host, volume, attachment } = await detaching();
      const end = await run(failing(host, ['failed', 'failed', 'failed']), volume, attachment, false);
      assert.deepEqual([end.state, end.volume, end.attachment], ['done', 'available', undefined]);
    });

    it('says that it is attached where the agent has put everything back', async () => {
      const { host, volume, attachment } = await detaching();
      const keeps = deps(async ({ task, envelope }) => {
        if (task === 'disk.detach') throw new TaskError('guest-busy', 'the guest did not let go');
        return host.carryOut(task, envelope.input);
      });
      const end = await run(keeps, volume, attachment, false);
      assert.deepEqual([end.state, end.volume, end.attachment], ['undone', 'in-use', 'attached']);
    });
  });

  it('a server that could not be deleted does not say that it has its volume', async () => {
    const host = new ModelHost();
    const volume = await yard.addVolume('detaching', true);
    host.volumes.set(volume, SIZE_GIB);
    const attachment = await yard.addAttachment(volume, 'detaching', 1);
    await yard.addServer(volume, 'ACTIVE', 'deleting');
    host.exports.set(volume, [`iqn.2010-10.org.blockyard:host:comp1 user-${attachment}`]);
    host.disks.set(`${yard.server} ${volume}`, { device: '/dev/vda', iotune: {} });
    const about = { serverId: yard.server, takesVolume: false };
    const held = deps(async ({ task, envelope }) => {
      const output = host.carryOut(task, envelope.input);
      if (task === 'server.absent')
        throw new TaskError('failed', 'a volume group on the host holds the disk');
      return output;
    });
    const first = await yard.begin('server.delete', volume, about, attachment);
    await runOperation(held, first, new AbortController().signal);
    const [row] = await yard.db.selectFrom('attachments').select('status').execute();
    const [server] = await yard.db.selectFrom('servers').select(['status', 'fault']).execute();
    assert.deepEqual([(await volumeNow()).status, row?.status], ['error', 'error_detaching']);
    assert.equal(server?.status, 'ERROR');
    assert.match(server?.fault ?? '', /holds the disk/);
    const again = await yard.begin('server.delete', volume, about, attachment);
    await runOperation(hostsOf(host), again, new AbortController().signal);
    assert.deepEqual([(await volumeNow()).status, host.exports.size], ['available', 0]);
  });
});
