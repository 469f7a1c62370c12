import type { PoolName, VolumeTypeId } from '#schema/ids.ts';
import type { Luks } from '#schema/luks.ts';
import type { MoveInput } from '#schema/operations.ts';
import { poolParts } from '#schema/pools.ts';
import { TaskError, type TaskInput } from '#schema/tasks.ts';
import { dropKey } from '../key-manager/drop-key.ts';
import { forgetKeys } from '../key-manager/keys-to-be.ts';
import { readSpecs, zonesOf } from '../placement/extra-specs.ts';
import { inPool, NoValidPool, release } from '../placement/place.ts';
import type { Tx } from '../transaction.ts';
import { type Facts, placed, type VolumeRow } from './facts.ts';
import { fillWithinS } from './fill.ts';
import { type Flow, flow, type Run, type TaskCall } from './flow.ts';
import { luksOf } from './luks.ts';
import { type Changes, settle } from './settle.ts';
import { WIPE, wipe } from './wipe.ts';

type Kind = 'volume.migrate' | 'volume.retype';

/** Where it lies, and where it shall lie: the same for one that may stay, or only gets another encryption there. */
interface Way {
  readonly from: PoolName;
  readonly to: PoolName;
}

interface Known {
  readonly facts: Facts<Kind>;
  readonly out: { readonly place?: Way };
}

/**
 * Moves a volume that nobody uses to another pool, gives it another type, another encryption, or all of them. Until the copy is
 * whole and has been compared nothing is taken away; from the moment that MySQL names the new pool, or key, on, nothing goes back.
 */
export const volumeMigrate = moving('volume.migrate');
export const volumeRetype = moving('volume.retype');

function moving(kind: Kind): Flow {
  return flow<Kind>(kind)
    .local({
      name: 'place',
      do: (tx, run): Promise<Way> => place(tx, run),
      undo(tx, { facts: { volume }, out }) {
        if (out.place !== undefined && out.place.to !== out.place.from)
          release(tx, out.place.to, volume.size_gib, 1);
      },
    })
    .task({
      name: 'export',
      on: 'storage',
      task: 'export.ensure',
      do: (run) => exported(run, true),
      undo: { task: 'export.ensure', do: (run) => exported(run, false) },
    })
    .task({
      name: 'copy',
      on: 'storage',
      task: 'volume.copy',
      withinS: fillWithinS,
      do({ facts, out }) {
        const way = agentsOf(out.place);
        if (way === null) return null;
        const { volume, input } = facts;
        const into = { volumeId: volume.id, backend: way.to.backend, sizeGib: volume.size_gib };
        if (way.from.agent === way.to.agent)
          return {
            host: way.to.agent,
            input: { ...into, from: { kind: 'local', backend: way.from.backend }, ...recoding(facts) },
          };
        const connection = out.export?.connection;
        if (connection == null) throw new Error('the storage agent answered without a connection');
        const from = { kind: 'export', connection, initiator: initiatorOf(volume) } as const;
        return { host: way.to.agent, input: { ...into, from, chap: input.account, ...recoding(facts) } };
      },
      undo: {
        task: 'volume.absent',
        do({ facts, out }) {
          const way = agentsOf(out.place);
          if (way === null) return null;
          return {
            host: way.to.agent,
            input: { volumeId: facts.volume.id, backend: way.to.backend, ...kept(way.to, way.from) },
          };
        },
      },
    })
    .task({
      name: 'stage',
      on: 'storage',
      task: 'volume.stage',
      withinS: fillWithinS,
      do({ facts, out }) {
        const here = recodedIn(facts, out.place);
        if (here === null) return null;
        const { id: volumeId, size_gib: sizeGib } = facts.volume;
        const { agent, backend } = here;
        return { host: agent, input: { volumeId, backend, sizeGib, ...recoding(facts) } };
      },
      undo: {
        task: 'volume.unstage',
        do: ({ facts, out }) => beside(facts, out.place),
      },
    })
    .task({
      name: 'unexport',
      on: 'storage',
      task: 'export.ensure',
      do: (run) => exported(run, false),
      undo: { none: 'nobody is to be let in' },
    })
    .local({
      name: 'commit',
      async do(tx, { facts: { volume, input }, out }) {
        const { from, to } = out.place;
        if (!isCopied(input, out.place)) return {};
        tx.later(
          tx.q
            .updateTable('volumes')
            .set({
              ...inPool(tx, to),
              migration_status: 'completing',
              ...(input.keys !== undefined && { encryption_key_id: input.keys.to }),
            })
            .where('id', '=', volume.id),
        );
        if (from !== to) release(tx, from, volume.size_gib, 1);
        return {};
      },
      undo: { none: 'forward only: the volume lies in its new pool, or beside itself, whole and compared' },
    })
    .task({
      name: 'replace',
      on: 'storage',
      task: 'volume.replace',
      waits: true,
      endless: true,
      // Which key opens it nobody knows then: both are kept.
      orStuck: true,
      do: ({ facts, out }) => beside(facts, out.place),
      undo: { none: 'forward only: the key of what was there goes' },
    })
    .task({
      ...WIPE,
      do: ({ facts, out }) => (recodedIn(facts, out.place) === null ? null : wipe(facts)),
    })
    .task({
      name: 'remove',
      on: 'storage',
      task: 'volume.absent',
      waits: true,
      // It has moved all the same: what is left is told by drift.
      orStuck: true,
      do({ facts, out }) {
        const way = agentsOf(out.place);
        if (way === null) return null;
        return {
          host: way.from.agent,
          input: { volumeId: facts.volume.id, backend: way.from.backend, ...kept(way.from, way.to) },
        };
      },
      undo: { none: 'forward only: what has been wiped does not come back' },
    })
    .ends({
      done(tx, run) {
        dropFormerKey(tx, run);
        settle(tx, run, 'by-attachments', moved(run));
      },
      undone(tx, run) {
        dropNewKey(tx, run);
        const { facts, out } = run;
        const failed = kind === 'volume.migrate' || isCopied(facts.input, out.place);
        settle(tx, run, 'by-attachments', failed ? { migration_status: 'error' } : {});
      },
      stuck(tx, run) {
        const { facts, out } = run;
        // Where it lies, and which key opens it, nobody knows here: both keys stay.
        if (run.outrun) return settle(tx, run, 'error', { migration_status: 'error' });
        // What could not be turned back has not moved.
        if (out.commit === undefined) {
          dropNewKey(tx, run);
          forgetKeys(tx, facts.operation.id);
          return settle(tx, run, 'by-attachments', { migration_status: 'error' });
        }
        if (recodedIn(facts, out.place) !== null && out.replace === undefined)
          return settle(tx, run, 'error', { ...moved(run), migration_status: 'error' });
        dropFormerKey(tx, run);
        settle(tx, run, 'by-attachments', moved(run));
      },
    });
}

/** @throws NoValidPool, TaskError when it must move and cannot. */
async function place(
  tx: Tx,
  { facts, placement }: Pick<Run<Kind, unknown>, 'facts' | 'placement'>,
): Promise<Way> {
  const { volume, input } = facts;
  const from = placed(volume);
  const extraSpecs = input.type === undefined ? facts.extraSpecs : await specsOf(tx, input.type.id);
  // Its new type may be for other zones than the one that it is in; else it stays in that.
  const zones = (input.type && zonesOf(extraSpecs)) ?? [volume.availability_zone];
  const wanted = { sizeGib: volume.size_gib, zones, extraSpecs };
  if (input.type !== undefined && input.pool === undefined) {
    const unmet = await placement.unmet(tx, from, wanted);
    if (unmet === null && input.keys === undefined) return { from, to: from };
    if (input.policy === 'never')
      throw new NoValidPool(
        unmet === null
          ? 'Its data would have to be encrypted otherwise, and so copied, which was not allowed: the migration policy is never.'
          : `The volume would have to move, which was not allowed: of ${from}, ${unmet}.`,
      );
    if (unmet === null) {
      assertFree(facts, 'get another encryption');
      return { from, to: from };
    }
  }
  assertFree(facts, 'be moved');
  return { from, to: await placement.place(tx, { ...wanted, pool: input.pool, except: from }) };
}

/** @throws TaskError when somebody uses the volume, or its snapshots need it as it is. */
function assertFree({ attachments, snapshots }: Facts<Kind>, what: string): void {
  if (attachments.length > 0) throw new TaskError('refused', `a volume that is attached cannot ${what}`);
  if (snapshots > 0)
    throw new TaskError('refused', `a volume that has snapshots cannot ${what}: it has ${snapshots}`);
}

async function specsOf(tx: Tx, id: VolumeTypeId): Promise<Record<string, string>> {
  const [type] = await tx.rows(tx.q.selectFrom('volume_types').select('extra_specs').where('id', '=', id));
  if (type === undefined) throw new NoValidPool('The volume type has been deleted.');
  return readSpecs(type.extra_specs);
}

/** What the end writes beside the status. */
function moved({ facts: { input }, out }: Known): Changes {
  const { type }: MoveInput = input;
  return {
    ...(isCopied(input, out.place) && { migration_status: 'success' as const }),
    ...(type !== undefined && { volume_type_id: type.id, multiattach: type.multiattach ? 1 : 0 }),
  };
}

function dropFormerKey(tx: Tx, { facts: { input } }: Known): void {
  dropKey(tx, { encryption_key_id: input.keys?.from ?? null });
}

/** The copy that it opens has gone, or is worth nothing. */
function dropNewKey(tx: Tx, { facts: { input } }: Known): void {
  dropKey(tx, { encryption_key_id: input.keys?.to ?? null });
}

function isCopied({ keys }: MoveInput, way: Way | undefined): boolean {
  return way !== undefined && (way.from !== way.to || keys !== undefined);
}

/** What opens the data so far, and what is to open the copy. @throws TaskError `refused` when one of them is gone */
function recoding({ volume, luks, luksToBe, input: { keys } }: Facts<Kind>): {
  readonly was?: Luks;
  readonly luks?: Luks;
} {
  if (keys === undefined) return {};
  const { luks: was } = luksOf({ volume, luks });
  const { luks: next } = luksOf({ volume: { encryption_key_id: keys.to }, luks: luksToBe });
  return { ...(was !== undefined && { was }), ...(next !== undefined && { luks: next }) };
}

/** Where its data are copied with another encryption, and stay; null when they do not. */
function recodedIn({ input: { keys } }: Facts<Kind>, way: Way | undefined): Place | null {
  return keys === undefined || way === undefined || way.from !== way.to ? null : poolParts(way.to);
}

function beside(facts: Facts<Kind>, way: Way | undefined): TaskCall<'volume.replace'> {
  const here = recodedIn(facts, way);
  return here === null
    ? null
    : { host: here.agent, input: { volumeId: facts.volume.id, backend: here.backend } };
}

type Place = ReturnType<typeof poolParts>;

/** Two back ends of one host may mean the same place. */
function kept(removed: Place, { agent, backend }: Place): { readonly keptIn?: string } {
  return removed.agent === agent ? { keptIn: backend } : {};
}

/** Null when it stays where it is. */
function agentsOf(way: Way | undefined) {
  if (way === undefined || way.from === way.to) return null;
  return { from: poolParts(way.from), to: poolParts(way.to) };
}

/** The former agent's export, for the other agent or for nobody; null where one agent has both. */
function exported({ facts: { volume, input }, out }: Known, open: boolean): TaskCall<'export.ensure'> {
  const way = agentsOf(out.place);
  if (way === null || way.from.agent === way.to.agent) return null;
  const initiator = initiatorOf(volume);
  const acls: TaskInput<'export.ensure'>['acls'] = open ? [{ initiator, chap: input.account }] : [];
  return {
    host: way.from.agent,
    input: {
      volumeId: volume.id,
      backend: way.from.backend,
      number: volume.number,
      acls,
      ...(!open && { shutOut: [initiator] }),
    },
  };
}

/** Who logs in to read a volume that moves; no host has this name. */
function initiatorOf({ id }: Pick<VolumeRow, 'id'>): string {
  return `iqn.2010-10.org.blockyard:mover:${id}`;
}
