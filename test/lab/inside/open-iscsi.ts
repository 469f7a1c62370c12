/**
 * open-iscsi for real: run by test/lab/open-iscsi.test.ts inside the compute node, as root. Its targets are LIO's, on the
 * same machine.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCompanion } from '#agent/companion.ts';
import { type Runner, systemRunner } from '#agent/run.ts';
import type { Connector, ConnectRequest } from '#compute-agent/connectors/connector.ts';
import { openIscsiConnector } from '#compute-agent/connectors/open-iscsi/connector.ts';
import type { Connection } from '#schema/tasks.ts';
import { startHelpers } from '#storage-agent/targets/lio/helpers.ts';
import { LIO_ROOT, prepareKernel } from '#storage-agent/targets/lio/prepare.ts';
import { createLioTarget } from '#storage-agent/targets/lio/target.ts';
import type { OpenTarget } from '#storage-agent/targets/target.ts';

const MIB = 1024 ** 2;
const PORTALS = ['127.0.0.1:13260', '[::1]:13260'];
const INITIATOR = 'iqn.2010-10.org.blockyard:host:inside';
const NODES = '/etc/iscsi/nodes';
const run = async (program: string, ...args: string[]): Promise<string> =>
  (await systemRunner.run(program, args)).stdout.trim();

interface Volume {
  readonly id: string;
  readonly number: number;
  readonly file: string;
  readonly loop: string;
  readonly secret: string;
  readonly connection: Connection;
}

describe('open-iscsi in the kernel', function () {
  this.timeout(240_000);
  this.slow(10_000);
  let folder: string;
  let lio: OpenTarget;
  let connector: Connector;
  const volumes: Volume[] = [];
  const spawned: string[] = [];
  const logged: string[] = [];
  const links = (): string[] => readdirSync('/dev/disk/by-path').filter((name) => name.includes('-iscsi-'));

  const counting: Runner = {
    async run(program, args, options) {
      spawned.push([program, ...args].join(' '));
      return await systemRunner.run(program, args, options);
    },
  };
  const openConnector = (): Connector =>
    openIscsiConnector({
      runner: counting,
      dir: join(folder, 'connections'),
      log: (line) => logged.push(line),
    });

  async function makeVolume(): Promise<Volume> {
    const id = randomUUID();
    const number = 500_000 + volumes.length;
    const file = join(folder, id);
    await using handle = await open(file, 'w');
    await handle.truncate(64 * MIB);
    const loop = await run('losetup', '--find', '--show', file);
    const secret = randomUUID().slice(0, 16);
    const acl = { initiator: INITIATOR, username: `user-${number}`, secret };
    const connection = await lio.target.ensure(id, { path: loop, discard: true }, [acl], number);
    const volume = { id, number, file, loop, secret, connection };
    volumes.push(volume);
    return volume;
  }

  /** By default at one portal. */
  const request = (volume: Volume, more: Partial<Connection> = {}): ConnectRequest => ({
    volumeId: volume.id,
    connection: { ...volume.connection, portals: PORTALS.slice(0, 1), ...more },
    initiator: INITIATOR,
    chap: { username: `user-${volume.number}`, secret: volume.secret },
  });

  /** What this host has of a volume; all empty when it has nothing. */
  const traces = async ({ id }: Volume): Promise<object> => ({
    links: links().filter((name) => name.includes(id)),
    sessions: (await run('sh', '-c', 'cat /sys/class/iscsi_session/*/targetname 2>/dev/null || true'))
      .split('\n')
      .filter((name) => name.includes(id)),
    records: existsSync(NODES) ? readdirSync(NODES).filter((name) => name.includes(id)) : [],
    disks: (await run('lsblk', '--noheadings', '--list', '--output', 'NAME,SERIAL'))
      .split('\n')
      .filter((line) => line.includes(id)),
    journal: existsSync(join(folder, 'connections'))
      ? readdirSync(join(folder, 'connections')).filter((name) => name.includes(id))
      : [],
  });
  /** Volumes that the node's own agent has connected, and these. */
  const used = (...more: Volume[]): Set<string> => {
    const mine = new Set(volumes.map(({ id }) => id));
    const ids = readdirSync(NODES).map((name) => name.slice(-36));
    return new Set([...ids.filter((id) => !mine.has(id)), ...more.map(({ id }) => id)]);
  };
  const NONE = { links: [], sessions: [], records: [], disks: [], journal: [] };

  before(async () => {
    await run('modprobe', '-a', 'loop', 'iscsi_tcp');
    await run('systemctl', 'stop', 'multipathd.service', 'multipathd.socket');
    folder = await mkdtemp(join(tmpdir(), 'by-initiator-'));
    await prepareKernel(systemRunner);
    const helpers = startHelpers({ start: systemCompanion, root: LIO_ROOT });
    lio = await createLioTarget({
      helpers,
      root: LIO_ROOT,
      portals: PORTALS,
      iqnPrefix: 'iqn.2010-10.org.blockyard.inside',
    });
    connector = openConnector();
  });
  beforeEach(() => {
    spawned.length = 0;
    logged.length = 0;
  });
  after(async () => {
    for (const { id, number, loop } of volumes) {
      await connector.disconnect(id, null);
      await lio.target.absent(id, number);
      await run('losetup', '--detach', loop);
    }
    lio.close();
    await rm(folder, { recursive: true });
  });

  it('connects and disconnects with one login and one logout, however often it is asked', async () => {
    const volume = await makeVolume();
    const dev = `/dev/disk/by-path/ip-${PORTALS[0]}-iscsi-${volume.connection.iqn}-lun-0`;
    const source = { type: 'block', dev, discard: true };
    assert.deepEqual(await connector.connect(request(volume)), source);
    assert.deepEqual(await connector.connect(request(volume)), source);
    assert.deepEqual(await openConnector().reconnect(volume.id), source);
    assert.equal(spawned.length, 1, spawned.join('\n'));
    assert.match(
      await run('lsblk', '--noheadings', '--nodeps', '--output', 'SERIAL', dev),
      new RegExp(volume.id),
    );

    await truncate(volume.file, 128 * MIB);
    await run('losetup', '--set-capacity', volume.loop);
    await lio.target.grown(volume.id, { path: volume.loop, discard: true }, 128 * MIB);
    await connector.grown(volume.id);
    assert.equal(await run('blockdev', '--getsize64', dev), String(128 * MIB));

    await connector.disconnect(volume.id, null);
    assert.deepEqual(await traces(volume), NONE);
    await connector.disconnect(volume.id, null);
    await connector.disconnect(volume.id, volume.connection);
    assert.equal(spawned.length, 2, spawned.join('\n'));
    assert.equal(await openConnector().reconnect(volume.id), null);
    assert.ok(!spawned.join('\n').includes(volume.secret));
  });

  it('what was written is at the target when it is disconnected', async () => {
    const volume = await makeVolume();
    const source = await connector.connect(request(volume));
    assert.equal(source.type, 'block');
    const data = randomUUID();
    // Into this host's cache only.
    await writeFile(source.type === 'block' ? source.dev : '', data, { flag: 'r+' });
    await connector.disconnect(volume.id, volume.connection);
    await run('blockdev', '--flushbufs', volume.loop);
    await using target = await open(volume.loop, 'r');
    const { buffer } = await target.read(Buffer.alloc(data.length), 0, data.length, 0);
    assert.equal(buffer.toString(), data);
  });

  it('several at once', async () => {
    const three = [await makeVolume(), await makeVolume(), await makeVolume()];
    const sources = await Promise.all(three.map((volume) => connector.connect(request(volume))));
    assert.equal(new Set(sources.map((source) => source.type === 'block' && source.dev)).size, 3);
    const [a, b, c] = three as [Volume, Volume, Volume];
    await Promise.all([connector.disconnect(a.id, null), connector.disconnect(b.id, null)]);
    assert.deepEqual([await traces(a), await traces(b)], [NONE, NONE]);
    assert.equal(((await traces(c)) as typeof NONE).disks.length, 1);
    await Promise.all([connector.connect(request(a)), connector.disconnect(c.id, null)]);
    await connector.disconnect(a.id, null);
    assert.deepEqual([await traces(a), await traces(c)], [NONE, NONE]);
  });

  it('a disk that is another volume’s is refused and leaves nothing', async () => {
    const volume = await makeVolume();
    const stranger = { ...request(volume), volumeId: randomUUID() };
    await assert.rejects(connector.connect(stranger), { code: 'refused' });
    assert.deepEqual(await traces(volume), NONE);
  });

  it('a refused account, a missing LUN and a silent portal are told in words and leave nothing', async () => {
    const volume = await makeVolume();
    const wrong = {
      ...request(volume),
      chap: { username: `user-${volume.number}`, secret: 'not-the-secret-1' },
    };
    await assert.rejects(connector.connect(wrong), /the target refuses the account or the initiator/);
    assert.deepEqual(await traces(volume), NONE);
    await assert.rejects(connector.connect(request(volume, { lun: 7 })), /offers this host no LUN 7/);
    await assert.rejects(
      connector.connect(request(volume, { portals: ['127.0.0.1:13999'] })),
      /the portal does not answer/,
    );
    assert.deepEqual(await traces(volume), NONE);
  });

  it('the next portal is used when the first is silent, and first the next time', async () => {
    const volume = await makeVolume();
    const portals = ['127.0.0.1:13999', '[::1]:13260'];
    const dev = `/dev/disk/by-path/ip-::1:13260-iscsi-${volume.connection.iqn}-lun-0`;
    assert.deepEqual(await connector.connect(request(volume, { portals })), {
      type: 'block',
      dev,
      discard: true,
    });
    assert.equal(spawned.length, 2);
    // As after a reboot: no session, and the records are there.
    await run('iscsiadm', '--mode', 'node', '--targetname', volume.connection.iqn, '--logout');
    spawned.length = 0;
    assert.deepEqual(await openConnector().reconnect(volume.id), { type: 'block', dev, discard: true });
    assert.equal(spawned.length, 1);
    await connector.disconnect(volume.id, null);
    assert.deepEqual(await traces(volume), NONE);
  });

  it('a target that is away keeps what is needed to reach it again', async () => {
    const volume = await makeVolume();
    await connector.connect(request(volume));
    await run('iscsiadm', '--mode', 'node', '--targetname', volume.connection.iqn, '--logout');
    await lio.target.absent(volume.id, volume.number);
    await assert.rejects(openConnector().reconnect(volume.id), /iSCSI: /);
    const acl = { initiator: INITIATOR, username: `user-${volume.number}`, secret: volume.secret };
    await lio.target.ensure(volume.id, { path: volume.loop, discard: true }, [acl], volume.number);
    assert.notEqual(await openConnector().reconnect(volume.id), null);
    await connector.disconnect(volume.id, null);
    assert.deepEqual(await traces(volume), NONE);
  });

  it('a session whose target has gone is removed all the same', async () => {
    const volume = await makeVolume();
    await connector.connect(request(volume));
    await lio.target.absent(volume.id, volume.number);
    while (!/FAILED/.test(await run('sh', '-c', 'cat /sys/class/iscsi_session/*/state'))) await sleep(200);
    await connector.disconnect(volume.id, null);
    assert.deepEqual(await traces(volume), NONE);
  });

  for (const when of ['before', 'after'] as const) {
    it(`an agent that died ${when} the login, and one ${when} the logout, are followed by one that finds it all`, async () => {
      const volume = await makeVolume();
      const dies = (): { connector: Connector; died: Promise<void> } => {
        const { promise, resolve } = Promise.withResolvers<void>();
        const runner: Runner = {
          async run(program, args, options) {
            if (when === 'after') await systemRunner.run(program, args, options);
            resolve();
            return await new Promise<never>(() => {});
          },
        };
        const options = { runner, dir: join(folder, 'connections'), log: () => undefined };
        return { connector: openIscsiConnector(options), died: promise };
      };

      const attaching = dies();
      void attaching.connector.connect(request(volume));
      await attaching.died;
      await openConnector().disconnect(volume.id, null);
      assert.deepEqual(await traces(volume), NONE);

      const again = dies();
      void again.connector.connect(request(volume));
      await again.died;
      const source = await openConnector().connect(request(volume));
      assert.ok(source.type === 'block' && existsSync(source.dev));

      const detaching = dies();
      void detaching.connector.disconnect(volume.id, null);
      await detaching.died;
      await openConnector().disconnect(volume.id, null);
      assert.deepEqual(await traces(volume), NONE);
    });
  }

  it('a disk that is mounted stays', async () => {
    const volume = await makeVolume();
    const source = await connector.connect(request(volume));
    const dev = source.type === 'block' ? source.dev : '';
    const place = join(folder, 'mnt');
    await run('mkfs.ext4', '-q', dev);
    await run('mkdir', place);
    await run('mount', dev, place);
    await assert.rejects(connector.disconnect(volume.id, null), /is in use on this host/);
    await run('umount', place);
    await connector.disconnect(volume.id, null);
    assert.deepEqual(await traces(volume), NONE);
  });

  it('leftovers of a lost state folder are found, and removed unless they are in use or of others', async () => {
    const [lost, held, other] = [await makeVolume(), await makeVolume(), await makeVolume()];
    for (const volume of [lost, held, other]) await connector.connect(request(volume));
    await rm(join(folder, 'connections'), { recursive: true });
    const record = join(NODES, other.connection.iqn, '127.0.0.1,13260');
    await writeFile(record, (await readFile(record, 'utf8')).replace(/^#.*\n/, '# BEGIN RECORD 2.1.8\n'));
    {
      const dev = links().find((name) => name.includes(held.id)) ?? '';
      await using holder = await open(join('/dev/disk/by-path', dev), 'r');
      await openConnector().tidy(used());
      assert.ok(holder.fd > 0);
    }
    assert.match(
      logged.join('\n'),
      new RegExp(`volume-${held.id} is left as it is: process ${process.pid} has`),
    );
    assert.deepEqual(await traces(lost), NONE);
    assert.equal(((await traces(held)) as typeof NONE).disks.length, 1);
    await openConnector().tidy(used(held));
    assert.equal(((await traces(held)) as typeof NONE).disks.length, 1);
    await openConnector().tidy(used());
    assert.deepEqual(await traces(held), NONE);
    assert.equal(((await traces(other)) as typeof NONE).disks.length, 1);
    await connector.disconnect(other.id, null);
    assert.deepEqual(await traces(other), NONE);
  });

  describe('with multipathd', () => {
    before(() => run('systemctl', 'start', 'multipathd'));
    after(() => run('systemctl', 'stop', 'multipathd.service', 'multipathd.socket'));

    it('several portals are paths of one map, which goes without a trace', async () => {
      const volume = await makeVolume();
      const source = await connector.connect(request(volume, { portals: PORTALS }));
      const dev = source.type === 'block' ? source.dev : '';
      assert.match(dev, /^\/dev\/disk\/by-id\/dm-uuid-mpath-36001405/);
      assert.deepEqual(await connector.connect(request(volume, { portals: PORTALS })), source);
      assert.equal(spawned.length, 1);
      assert.equal(((await traces(volume)) as typeof NONE).sessions.length, 2);
      await truncate(volume.file, 128 * MIB);
      await run('losetup', '--set-capacity', volume.loop);
      await lio.target.grown(volume.id, { path: volume.loop, discard: true }, 128 * MIB);
      await connector.grown(volume.id);
      assert.equal(await run('blockdev', '--getsize64', dev), String(128 * MIB));
      {
        await using holder = await open(dev, 'r');
        await assert.rejects(connector.disconnect(volume.id, null), /map \w+ is in use on this host/);
        assert.ok(holder.fd > 0);
      }
      await connector.disconnect(volume.id, null);
      assert.deepEqual(await traces(volume), NONE);
      assert.equal(existsSync(dev), false);
      assert.ok(!(await run('multipathd', 'show', 'paths', 'raw', 'format', '%w')).includes('36001405'));
    });

    it('one portal is a plain disk', async () => {
      const volume = await makeVolume();
      const source = await connector.connect(request(volume));
      assert.match(source.type === 'block' ? source.dev : '', /by-path/);
      await connector.disconnect(volume.id, null);
      assert.deepEqual(await traces(volume), NONE);
    });
  });
});
