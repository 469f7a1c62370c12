/**
 * Hostile words in every text of every task, at the door of every program that agents run. Conductors send none of them (injection.test.ts);
 * an agent must not depend on that: part of what it is told comes from other hosts.
 */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemCompanion } from '#agent/companion.ts';
import type { Handlers } from '#agent/handlers.ts';
import { KeyedMutex } from '#agent/keyed-mutex.ts';
import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import { openIscsiConnector } from '#compute-agent/connectors/open-iscsi/connector.ts';
import { createComputeHandlers } from '#compute-agent/handlers.ts';
import { openVirsh, type Virsh } from '#compute-agent/libvirt/virsh/virsh.ts';
import { machineChooser } from '#compute-agent/servers/machine.ts';
import { createSecrets } from '#queues/secrets.ts';
import { systemClock } from '#queues/system.ts';
import { type AgentKind, TASKS, type TaskInput, type TaskName, type TasksOf } from '#schema/tasks.ts';
import { openBackupStore } from '#storage-agent/backups/store.ts';
import { createStorageHandlers } from '#storage-agent/handlers.ts';
import { createDisks } from '#storage-agent/images/disks.ts';
import { createImages } from '#storage-agent/images/images.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { createImageService } from '#storage-agent/images/service.ts';
import { createTgtClient } from '#storage-agent/targets/tgt/client.ts';
import { createTgtTarget } from '#storage-agent/targets/tgt/target.ts';
import { HOSTILE, MARK, texts } from '#test/api/security/support/hostile.ts';
import { withValue } from '#test/api/security/support/surface.ts';
import { openAll } from '#test/storage-agent/backends/opened.ts';
import { IQN_PREFIX, startTgtFixture, type TgtFixture } from '#test/storage-agent/targets/tgt/fixture.ts';

/** Which task is attacked for the program; or why its words are nobody's. One that is new belongs here, and its words into a task below. */
const PROGRAMS: Readonly<Record<string, string>> = {
  blkdiscard: 'volume.absent',
  cp: 'snapshot.ensure',
  iscsiadm: 'disk.attach',
  lvchange: 'volume.adopt',
  lvconvert: 'snapshot.absent',
  lvcreate: 'volume.ensure',
  lvextend: 'volume.grow',
  lvremove: 'volume.absent',
  lvrename: 'volume.adopt',
  lvs: 'volume.ensure',
  modprobe: 'nobody: names in the source, when the agent starts',
  mount: 'nobody: names in the source, when the agent starts',
  multipath: 'nobody: the kernel’s identification of a disk',
  prlimit: 'volume.copy',
  pvs: 'nobody: the configuration',
  'qemu-img': 'volume.copy',
  restic: 'backup.ensure',
  setpriv: 'backup.ensure',
  vgs: 'nobody: the configuration',
  virsh: 'disk.attach',
};
/** Who may start any at all: the doors. */
const DOORS = ['agent/companion.ts', 'agent/run.ts', 'agent/stream.ts'];
/** A literal that is started, or handed to a door, or to what makes the started program end with the agent. */
const STARTED =
  /(?:\b(?:runner\.run|door\.change|door\.report|streamed|start|spawn)\(\s*|'--pdeathsig', '\w+', |'KILL', )'([a-z][\w-]*)'/g;
const FOLDERS = ['agent', 'api', 'compute-agent', 'images', 'queues', 'schema', 'storage-agent', 'telemetry'];

const volumeId = randomUUID();
const serverId = '6695eb01-f6a4-8304-79aa-97f2502e193f';
const snapshotId = randomUUID();
const secrets = createSecrets('ab'.repeat(32));
const secret = secrets.encrypt('a-secret-of-some-length', volumeId);
const chap = { username: 'user', secret };
const luks = { secret, cipher: 'aes-xts-plain64', keyBits: 512 } as const;
const initiator = 'iqn.2010-10.org.blockyard:host:a';
const connection = {
  portals: ['127.0.0.1:3260', '127.0.0.2:3260'],
  iqn: `${IQN_PREFIX}:volume-${volumeId}`,
  lun: 1,
};
const plugged = { volumeId, serverId };
const iotune = { read_iops_sec: 400, group_name: 'group' };
const plug = {
  connection,
  initiator,
  chap,
  iotune,
  bus: 'virtio',
  device: '/dev/vdb',
  readonly: false,
} as const;
const backup = { store: 'a'.repeat(64), repository: randomUUID(), dataId: randomUUID() };
const image = {
  kind: 'image',
  image: {
    id: randomUUID(),
    diskFormat: 'raw',
    sizeBytes: 512,
    md5: 'a'.repeat(32),
    sha512: 'a'.repeat(128),
  },
} as const;

/** One good input of each storage task at least, on this back end. */
function storageTasks(backend: string): { readonly [N in TasksOf<'storage'>]: readonly TaskInput<N>[] } {
  const stored = { volumeId, backend };
  const sized = { ...stored, sizeGib: 1 };
  const exported = { kind: 'export', connection, initiator } as const;
  return {
    'volume.ensure': [
      sized,
      { ...sized, volumeId: randomUUID() },
      { ...sized, luks },
      { ...sized, source: { kind: 'volume', volumeId: randomUUID() } },
      { ...sized, source: { kind: 'snapshot', snapshotId, volumeId: randomUUID() } },
      { ...sized, source: image },
      { ...sized, source: { kind: 'backup', backupId: randomUUID(), ...backup } },
    ],
    'volume.grow': [{ ...sized, sizeGib: 2 }],
    'volume.absent': [stored, { ...stored, keptIn: backend }],
    'snapshot.ensure': [{ ...stored, snapshotId }],
    'snapshot.absent': [{ ...stored, snapshotId }],
    'storage.remove': [{ backend, kind: 'volume', id: volumeId }],
    'export.absent': [{ volumeId }],
    'volume.adopt': [{ ...sized, name: 'former' }],
    'volume.release': [{ ...stored, name: 'former' }],
    'volume.copy': [
      { ...sized, from: { kind: 'local', backend } },
      { ...sized, from: exported, chap },
    ],
    'volume.stage': [{ ...sized, luks }],
    'volume.unstage': [stored],
    'volume.replace': [stored],
    'volume.rewrite': [
      { ...sized, source: { kind: 'snapshot', snapshotId, volumeId } },
      { ...sized, source: image },
    ],
    'snapshot.adopt': [{ ...sized, snapshotId, name: 'former' }],
    'snapshot.release': [{ ...stored, snapshotId, name: 'former' }],
    'volume.upload': [{ ...stored, imageId: randomUUID(), diskFormat: 'raw' }],
    'backup.ensure': [
      { ...sized, ...backup, snapshotId: null },
      { ...sized, ...backup, snapshotId },
    ],
    'backup.absent': [backup],
    'backup.find': [{ ...backup, sizeGib: 1 }],
    'backup.restore': [{ ...sized, ...backup }],
    'export.ensure': [{ ...stored, number: 1, acls: [{ initiator, chap }], shutOut: [initiator] }],
  };
}

const COMPUTE_TASKS: { readonly [N in TasksOf<'compute'>]: readonly TaskInput<N>[] } = {
  'disk.attach': [
    { ...plugged, ...plug },
    { ...plugged, ...plug, luks },
  ],
  'disk.detach': [{ ...plugged, connection }],
  'disk.evict': [{ ...plugged, connection, root: true }],
  'connection.absent': [{ volumeId }],
  'disk.tune': [{ ...plugged, iotune }],
  'disk.resize': [{ ...plugged, sizeBytes: 2 ** 30 }],
  'server.ensure': [{ ...plugged, ...plug, name: 'server', projectId: 'p', vcpus: 1, memoryMib: 64 }],
  'server.absent': [{ ...plugged, connection }],
  'server.power': [{ ...plugged, action: 'stop' }],
};

/** A volume, a snapshot of it, and something that is not ours, in each group. */
function lvsIn(group: string): readonly Readonly<Record<string, string>>[] {
  const one = {
    lv_size: String(2 ** 30),
    lv_attr: '-wi-------',
    origin: '',
    origin_size: '',
    pool_lv: group === 'thinvg' ? 'pool' : '',
    lv_active: '',
    vg_uuid: 'a',
    lv_uuid: 'b',
  };
  const volume = { ...one, lv_name: `volume-${volumeId}`, lv_tags: 'blockyard' };
  const snapshot = { ...volume, lv_name: `_snapshot-${snapshotId}`, origin: volume.lv_name };
  return [volume, snapshot, { ...one, lv_name: 'former', lv_tags: '' }];
}

/** What a program would write that finds all in order; undefined for one that is of no use here. */
function saidBy(program: string, args: readonly string[]): string | undefined {
  const group = args.at(-1) ?? '';
  const selection = args.includes('-S') ? (args[args.indexOf('-S') + 1] ?? '').split('||') : null;
  const isMeant = (row: Readonly<Record<string, string>>): boolean =>
    selection?.some((each) => each === `lv_name=${row['lv_name']}` || each === `origin=${row['origin']}`) ??
    true;
  const report = (rows: readonly object[]): string => JSON.stringify({ report: [{ rows }] });
  if (program === 'pvs') return report([{ pv_name: '/dev/none', vg_uuid: 'a' }]);
  if (program === 'lvs') return report(lvsIn(group).filter(isMeant));
  if (program.startsWith('lv') || program === 'blkdiscard') return '';
  if (args.includes('config')) return JSON.stringify({ id: backup.store });
  return args.includes('snapshots') ? '[]' : undefined;
}

describe('programs that agents run', function () {
  this.timeout(120_000);
  let dir: string;
  let fixture: TgtFixture;
  let images: Server;
  let virsh: Virsh;
  let handlers: Handlers<AgentKind>;
  /** What programs were told by argument, environment or standard input, and services by request. */
  const told: { readonly program: string; readonly words: string }[] = [];

  /** By good words: what the attacks aim at. */
  const reached = new Set<string>();
  const tell = (program: string, words: unknown): void =>
    void told.push({ program, words: JSON.stringify(words) });

  // Nothing is started: there is no device-mapper here, and a program that has been told is too late to look at.
  const runner: Runner = {
    async run(program, args, options = {}) {
      const words = [args, options.env, options.input];
      tell(program, words);
      const behind = args[args.indexOf('KILL') + 1];
      if (args.includes('KILL') && behind !== undefined) tell(behind, words);
      const stdout = saidBy(program, args);
      if (stdout !== undefined) return { exitCode: 0, stdout, stderr: '' };
      const failure = { program, args, exitCode: 5, signal: undefined, timedOut: false, code: undefined };
      throw new ProgramError({ ...failure, stdout: '', stderr: 'not here' });
    },
  };

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-words-'));
    await mkdir(join(dir, 'b'));
    fixture = await startTgtFixture();
    const client = createTgtClient(fixture.socket);
    const listening = new Proxy(client, {
      get(target, name: keyof typeof client) {
        const method = target[name] as (...args: unknown[]) => unknown;
        return (...args: unknown[]) => {
          tell('tgtd', args);
          return method(...args);
        };
      },
    });
    const [files, thick, thin] = await openAll(
      `file:name=files,path=${join(dir, 'volumes')};lvm:name=thick,vg=vg;lvm-thin:name=thin,vg=thinvg,pool=pool`,
      runner,
      { host: 'stor1', stateDir: dir },
    );
    images = createServer((request, response) => {
      tell('images', request.url);
      response.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await once(images, 'listening');
    const qemuImg = createQemuImg(runner);
    const storage = createStorageHandlers({
      backends: new Map([
        ['files', files!],
        ['thick', thick!],
        ['thin', thin!],
      ]),
      target: createTgtTarget({ client: listening, portals: [fixture.tgtd.portal], iqnPrefix: IQN_PREFIX }),
      secrets,
      disks: createDisks(qemuImg, join(dir, 'disks')),
      images: createImages({
        service: createImageService({
          url: `http://127.0.0.1:${(images.address() as AddressInfo).port}`,
          account: null,
          agent: 'storage.stor1',
          keys: 'ab'.repeat(32),
          clock: systemClock,
        }),
        qemuImg,
        folder: join(dir, 'images'),
      }),
      backups: openBackupStore({ config: { place: join(dir, 'b'), password: 'p' }, runner, stateDir: dir }),
    });
    virsh = openVirsh({
      // libvirt's pretend hypervisor: the real virsh and its parser.
      uri: 'test:///default',
      dir: join(dir, 'virsh'),
      start(program, args, env) {
        const companion = systemCompanion(program, args, env);
        return {
          ...companion,
          write(text) {
            tell('virsh', text);
            companion.write(text);
          },
        };
      },
    });
    const compute = createComputeHandlers({
      virsh,
      events: { subscribe: () => () => undefined, spawns: 0, stop: async () => undefined },
      connector: openIscsiConnector({
        runner,
        dir: join(dir, 'connections'),
        places: { sys: join(dir, 'sys'), dev: join(dir, 'dev'), nodes: join(dir, 'nodes') },
        log: () => undefined,
      }),
      secrets,
      servers: new KeyedMutex(),
      detachTimeoutMs: 10,
      machine: machineChooser(virsh, 'auto'),
      consoleDir: join(dir, 'consoles'),
      shutdownTimeoutMs: 10,
      reconnect: async () => undefined,
      evicted: () => undefined,
      log: () => undefined,
    });
    handlers = { ...storage, ...compute };
  });
  after(async () => {
    await virsh?.stop();
    images?.close();
    await fixture?.[Symbol.asyncDispose]();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });

  /** As an agent does, to whatever end. */
  async function carryOut(name: TaskName, input: unknown): Promise<void> {
    const parsed = TASKS[name].input.safeParse(input);
    if (!parsed.success) return;
    const context = { requestId: 'req-test', signal: AbortSignal.timeout(5_000) };
    const handler = handlers[name] as (input: unknown, context: object) => Promise<unknown>;
    await handler(parsed.data, context).catch(() => undefined);
  }

  async function attack(name: TaskName, good: unknown): Promise<void> {
    for (const { place } of texts(good))
      for (const word of HOSTILE) await carryOut(name, withValue(good, place, word));
  }

  for (const backend of ['files', 'thick', 'thin', 'compute']) {
    const tasks = Object.entries(backend === 'compute' ? COMPUTE_TASKS : storageTasks(backend));
    for (const [name, inputs] of tasks) {
      it(`${name} on ${backend}`, async () => {
        for (const good of inputs) {
          if (backend !== 'compute') await carryOut('volume.ensure', { volumeId, backend, sizeGib: 1 });
          told.length = 0;
          await carryOut(name as TaskName, good);
          for (const { program } of told) reached.add(program);
          told.length = 0;
          await attack(name as TaskName, good);
          for (const { program, words } of told)
            assert.ok(!words.includes(MARK), `${program} is told ${words}`);
        }
        const found = await readdir(dir, { recursive: true });
        assert.deepEqual(
          found.filter((path) => path.includes(MARK)),
          [],
        );
        assert.ok(!existsSync(`/tmp/${MARK}`) && !existsSync(`/etc/${MARK}`));
      });
    }
  }

  it('are all in the table above, and started by nobody but the doors', async () => {
    const named = new Set<string>();
    const starting: string[] = [];
    for (const folder of FOLDERS) {
      for (const file of await readdir(folder, { recursive: true })) {
        if (!file.endsWith('.ts')) continue;
        const path = join(folder, file);
        const source = await readFile(path, 'utf8');
        if (/from '(?:node:child_process|execa)'/.test(source)) starting.push(path);
        for (const [, name = ''] of source.matchAll(STARTED)) named.add(name);
      }
    }
    assert.deepEqual(starting.toSorted(), DOORS);
    assert.deepEqual([...named].toSorted(), Object.keys(PROGRAMS));
  });

  it('are reached by what is attacked', () => {
    const aims = Object.keys(PROGRAMS).filter((name) => !PROGRAMS[name]?.startsWith('nobody'));
    assert.deepEqual(
      aims.filter((name) => !reached.has(name)),
      [],
    );
  });
});
