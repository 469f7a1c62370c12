import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Stack, startStack } from '#stack/environment.ts';
import { servicesUp } from '#stack/readiness.ts';
import { holdSession, type Login, qemuIo } from '#test/storage-agent/targets/iscsi.ts';

const BYTES = 65_536;

describe('an attachment that moves to another host', function () {
  this.timeout(120_000);
  let dir: string;
  let stack: Stack;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-m-'));
    stack = await startStack({
      runDir: join(dir, 'run'),
      hypervisor: 'noop',
      log: () => undefined,
      ready: servicesUp,
    });
  });
  after(async () => {
    await stack?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  // Replies are of every shape; the test looks only at what it is about.
  // oxlint-disable-next-line typescript/no-explicit-any
  async function call(method: string, path: string, body?: object): Promise<{ status: number; body: any }> {
    const response = await fetch(`${stack.apiUrl}/v3/${stack.project}${path}`, {
      method,
      headers: {
        'X-Auth-Token': stack.adminToken,
        'OpenStack-API-Version': 'volume 3.71',
        'Content-Type': 'application/json',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  async function newVolume(): Promise<string> {
    const { id } = (await call('POST', '/volumes', { volume: { size: 1 } })).body.volume;
    while ((await call('GET', `/volumes/${id}`)).body.volume.status !== 'available') await sleep(20);
    return id;
  }

  async function attachment(volume: string, server: string, host: string) {
    const initiator = `iqn.2010-10.org.blockyard:host:${host}`;
    const made = await call('POST', '/attachments', {
      attachment: { volume_uuid: volume, instance_uuid: server, connector: { initiator, host } },
    });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    const { id, connection_info: info } = made.body.attachment;
    const connection = { portals: [info.target_portal], iqn: info.target_iqn, lun: info.target_lun };
    const login: Login = { initiator, username: info.auth_username, secret: info.auth_password };
    return { id, connection, login };
  }
  const complete = (id: string) => call('POST', `/attachments/${id}/action`, { 'os-complete': null });

  async function stored(volume: string): Promise<Set<number>> {
    await using file = await open(join(stack.runDir, `volumes/volume-${volume}`));
    return new Set((await file.read(Buffer.alloc(BYTES), 0, BYTES, 0)).buffer);
  }

  it('has one writer at a time, however both try', async () => {
    const [volume, server] = [await newVolume(), randomUUID()];
    const from = await attachment(volume, server, 'from');
    const former = await holdSession(from.connection, from.login);
    try {
      assert.match(await former.say(`write -P 1 0 ${BYTES}`), /wrote/);
      assert.equal((await complete(from.id)).status, 204);
      const to = await attachment(volume, server, 'to');
      await assert.rejects(qemuIo(to.connection, to.login, `write -P 2 0 ${BYTES}`), 'not let in yet');
      const early = await complete(to.id);
      assert.equal(early.status, 409);
      assert.match(early.body.conflictingRequest.message, /host from still has the volume/);

      // The cut-over, while the former host writes as fast as it can.
      let wrote = 0;
      const writer = (async () => {
        for (;;) {
          await former.say(`write -P 1 0 ${BYTES}`);
          wrote += 1;
        }
      })();
      let taken = false;
      const successor = (async () => {
        while (!taken) {
          taken = await qemuIo(to.connection, to.login, `write -P 2 0 ${BYTES}`, 'flush').then(
            () => true,
            () => false,
          );
        }
      })();
      await sleep(300);
      assert.equal((await call('DELETE', `/attachments/${from.id}`)).status, 200);
      await successor;
      const before = wrote;
      assert.ok(before > 0);
      assert.deepEqual(await stored(volume), new Set([2]), 'nothing of the former came after');
      await sleep(2_000);
      assert.deepEqual(await stored(volume), new Set([2]), 'and nothing does');
      assert.ok(wrote <= before + 1, 'the former writes no more');
      assert.equal((await complete(to.id)).status, 204);
      // It ends with its session.
      writer.catch(() => undefined);
      await call('DELETE', `/attachments/${to.id}`);
    } finally {
      await former.end();
    }
  });
});
