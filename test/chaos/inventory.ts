import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemRunner } from '#agent/run.ts';
import { secretId } from '#compute-agent/connectors/secret-id.ts';
import { listDisks } from '#compute-agent/libvirt/domain-xml/list-disks.ts';
import type { PoolName } from '#schema/ids.ts';
import { poolParts } from '#schema/pools.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import { OWNER_MARK } from '#storage-agent/backends/file/owner.ts';
import { parseAccounts, parseTargets } from '#storage-agent/targets/tgt/show.ts';
import { exchange, MODE, OP } from '#storage-agent/targets/tgt/wire.ts';
import { foldersIn } from './backends.ts';
import type { Rig } from './rig.ts';

/** All that a volume can leave somewhere, as lists of words that must be equal. */
interface Inventory {
  /** Of volumes and snapshots: `backend: name`. */
  readonly files: string[];
  readonly images: string[];
  /** `volume: initiators / accounts`. */
  readonly exports: string[];
  readonly accounts: string[];
  readonly domains: string[];
  readonly live: string[];
  readonly persistent: string[];
  readonly secrets: string[];
  /** Volumes whose passphrases libvirt was given. */
  readonly passphrases: string[];
  /** Documents that virsh was given; passphrases and data in clear that an agent works with. */
  readonly documents: string[];
  /** What opens encrypted volumes, backups and images. */
  readonly keys: string[];
  /** `pool: GiB, volumes`. */
  readonly pools: string[];
  /** Volumes that are held or in a status that no volume rests in, open operations, steps that seem to run. */
  readonly busy: string[];
}

const SETTLE_MS = 15_000;
/**
 * `attaching`: exported to a client that has not said yet that it is done. `error_managing`: what a volume that could not be taken over is
 * left in, as in Cinder, with the reason in its operation; so is `error_restoring`.
 */
const RESTING = [
  'available',
  'in-use',
  'error',
  'error_managing',
  'error_restoring',
  'attaching',
  'reserved',
];

/**
 * What the hosts have and what MySQL's sums say is exactly what MySQL's rows ask for, and nothing is under way.
 * A job that Redis repeats may come late, and is then still at work: so it may take a moment.
 */
export async function assertNothingLeft(rig: Rig): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    try {
      // A domain or target may go while we look.
      const [wanted, found] = [await wantedBy(rig), await foundOn(rig)];
      assert.deepEqual(found, wanted);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(100);
    }
  }
}

async function wantedBy(rig: Rig): Promise<Inventory> {
  const { db } = rig;
  const volumes = await db.selectFrom('volumes').selectAll().execute();
  const attachments = await db.selectFrom('attachments').selectAll().execute();
  const pools = await db.selectFrom('pools').select('name').execute();
  const placed = volumes.filter(({ pool }) => pool !== null);
  const exported = attachments.filter(({ chap_secret }) => chap_secret !== null);
  const snapshots = await db
    .selectFrom('snapshots')
    .select(['id', 'volume_id', 'size_gib', 'reserved'])
    .execute();
  // Deleted ones are remembered until their host has reported without them.
  const servers = await db
    .selectFrom('servers')
    .select(['id', 'host'])
    .where('status', '<>', 'DELETED')
    .execute();
  const images = await db.selectFrom('images').select(['id', 'encryption_key_id']).execute();
  const backups = await db.selectFrom('backups').select('encryption_key_id').execute();
  const disks = exported
    .filter(({ status, host }) => status === 'attached' && host === rig.stack.env['BLOCKYARD_HOST'])
    .map((each) => each.volume_id);
  const encrypted = disks.filter((disk) => volumes.find(({ id }) => id === disk)?.encryption_key_id !== null);
  return sorted({
    files: [
      ...placed.map(({ id, pool }) => `${backendOf(pool)}: volume-${id}`),
      ...snapshots
        .filter(({ reserved }) => reserved === 1)
        .map(
          ({ id, volume_id }) =>
            `${backendOf(placed.find((volume) => volume.id === volume_id)?.pool)}: snapshot-${id}`,
        ),
    ],
    images: images.map(({ id }) => id),
    domains: [
      rig.server,
      ...servers.filter(({ host, id }) => host !== null && id !== rig.server).map(({ id }) => id),
    ],
    exports: exported.map((each) => `${each.volume_id}: ${each.initiator} / ${each.chap_username}`),
    accounts: exported.map(({ chap_username }) => String(chap_username)),
    live: disks,
    persistent: disks,
    secrets: [...disks.map(secretId), ...encrypted.map((id) => secretId(`luks:${id}`))],
    passphrases: encrypted,
    documents: [],
    keys: [...volumes, ...images, ...backups].flatMap(({ encryption_key_id: key }) => key ?? []),
    pools: pools.map(({ name }) => {
      const inPool = placed.filter(({ pool }) => pool === name);
      const kept = snapshots.filter(
        ({ reserved, volume_id }) => reserved === 1 && inPool.some(({ id }) => id === volume_id),
      );
      const gib = [...inPool, ...kept].reduce((sum, { size_gib }) => sum + size_gib, 0);
      return `${name}: ${gib} GiB, ${inPool.length}`;
    }),
    busy: [],
  });
}

async function foundOn(rig: Rig): Promise<Inventory> {
  const { db, stack } = rig;
  const socket = stack.env['BLOCKYARD_TGT_SOCKET']!;
  const ask = (mode: (typeof MODE)[keyof typeof MODE]): Promise<string> =>
    exchange(socket, { mode, op: OP.show }, 5_000);
  const targets = parseTargets(await ask(MODE.target));
  const guard = (name: string): boolean => name.startsWith('guard:');
  const uuids = (text: string): string[] => text.match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [];
  const virsh = async (...args: string[]): Promise<string> =>
    (await systemRunner.run('virsh', ['--quiet', '--connect', stack.env['BLOCKYARD_LIBVIRT_URI']!, ...args]))
      .stdout;
  const disksIn = (documents: readonly string[]): string[] =>
    documents.flatMap((xml) => listDisks(xml).flatMap(({ serial }) => serial ?? []));
  const domains = uuids(await virsh('list', '--all', '--uuid'));
  const pools = await db.selectFrom('pools').selectAll().execute();
  const volumes = await db.selectFrom('volumes').selectAll().execute();
  const backups = await db.selectFrom('backups').select(['id', 'status', 'operation_id']).execute();
  const open = await db
    .selectFrom('operations')
    .selectAll()
    .where('state', 'in', OPEN_OPERATION_STATES)
    .execute();
  const keys = await db.selectFrom('encryption_keys').select('id').execute();
  const stateDir = stack.env['BLOCKYARD_STATE_DIR']!;
  const steps = await db.selectFrom('operation_steps').selectAll().where('state', '=', 'running').execute();
  return sorted({
    files: (await Promise.all(foldersIn(stack.runDir).map(filesIn))).flat(),
    exports: targets.map(
      ({ name, initiators, accounts }) =>
        `${uuids(name).join()}: ${initiators.join()} / ${accounts.filter((each) => !guard(each)).join()}`,
    ),
    // Each target has a guard of its own.
    accounts: parseAccounts(await ask(MODE.account)).filter(
      (each) => !targets.some(({ name }) => each === `guard:${name}`),
    ),
    images: (await readdir(join(stack.runDir, 'state/images'))).flatMap((name) => uuids(name)),
    domains,
    live: disksIn(await Promise.all(domains.map((id) => virsh('dumpxml', id)))),
    persistent: disksIn(await Promise.all(domains.map((id) => virsh('dumpxml', id, '--inactive')))),
    secrets: uuids(await virsh('secret-list')).filter((uuid) => uuid[14] === '5'),
    passphrases: await namesIn(join(stateDir, 'compute/encrypted')),
    documents: (await readdir(stateDir, { recursive: true })).filter((name) =>
      /\.xml$|(^|\/)(passphrase|clear|account)-/.test(name),
    ),
    keys: keys.map(({ id }) => id),
    pools: pools.map(
      ({ name, allocated_gib, volume_count }) => `${name}: ${allocated_gib} GiB, ${volume_count}`,
    ),
    busy: [
      ...volumes
        .filter(({ status, operation_id }) => !RESTING.includes(status) || operation_id !== null)
        .map(({ id, status, operation_id }) => `volume ${id} is ${status}, held by ${operation_id}`),
      ...backups
        .filter(
          ({ status, operation_id }) => !['available', 'error'].includes(status) || operation_id !== null,
        )
        .map(({ id, status, operation_id }) => `backup ${id} is ${status}, held by ${operation_id}`),
      ...open.map(({ id, kind, state, owner }) => `operation ${id} ${kind} is ${state}, owner ${owner}`),
      ...steps.map(({ operation_id, name }) => `step ${name} of ${operation_id} runs`),
    ],
  });
}

/** What was unmanaged is nobody's, and the folder's mark is no volume's. */
async function filesIn([backend, folder]: readonly [string, string]): Promise<string[]> {
  const names = (await readdir(folder)).filter(
    (name) => !name.startsWith('unmanaged-') && name !== OWNER_MARK,
  );
  return names.map((name) => `${backend}: ${name}`);
}

/** None where there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

function backendOf(pool: PoolName | null | undefined): string {
  return pool == null ? 'no back end' : poolParts(pool).backend;
}

function sorted(inventory: Inventory): Inventory {
  return Object.fromEntries(
    Object.entries(inventory).map(([name, words]) => [name, (words as string[]).toSorted()]),
  ) as unknown as Inventory;
}
