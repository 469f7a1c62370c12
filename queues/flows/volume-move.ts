import type { PoolName, VolumeTypeId } from '#schema/ids.ts';
import type { MoveInput } from '#schema/operations.ts';
import { poolParts } from '#schema/pools.ts';
import { TaskError, type TaskInput } from '#schema/tasks.ts';
import { readSpecs } from '../placement/extra-specs.ts';
import { NoValidPool, release } from '../placement/place.ts';
import type { Tx } from '../transaction.ts';
import { type Facts, placed, type VolumeRow } from './facts.ts';
import { FILL_WITHIN_S } from './fill.ts';
import { type Flow, flow, type Run, type TaskCall } from './flow.ts';
import { type Changes, settle } from './settle.ts';

type Kind = 'volume.migrate' | 'volume.retype';

/** Where it lies, and where it shall lie: the same for one that may stay. */
interface Way {
  readonly from: PoolName;
  readonly to: PoolName;
}

interface Known {
  readonly facts: Facts<Kind>;
  readonly out: { readonly place?: Way };
}

/**
 * Moves a volume that nobody uses to another pool, gives it another type, or both. Until the copy is whole and has been
 * compared nothing is taken away; from the moment that MySQL names the new pool on, nothing goes back.
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
      withinS: FILL_WITHIN_S,
      do({ facts, out }) {
        const way = agentsOf(out.place);
        if (way === null) return null;
        const { volume, input } = facts;
        const into = { volumeId: volume.id, backend: way.to.backend, sizeGib: volume.size_gib };
        if (way.from.agent === way.to.agent)
          return {
            host: way.to.agent,
            input: { ...into, from: { kind: 'local', backend: way.from.backend } },
          };
        const connection = out.export?.connection;
        if (connection == null) throw new Error('the storage agent answered without a connection');
        const from = { kind: 'export', connection, initiator: initiatorOf(volume) } as const;
        return { host: way.to.agent, input: { ...into, from, chap: input.account } };
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
      name: 'unexport',
      on: 'storage',
      task: 'export.ensure',
      do: (run) => exported(run, false),
      undo: { none: 'nobody is to be let in' },
    })
    .local({
      name: 'commit',
      async do(tx, { facts: { volume }, out }) {
        const { from, to } = out.place;
        if (from === to) return {};
        tx.later(
          tx.q
            .updateTable('volumes')
            .set({ pool: to, migration_status: 'completing' })
            .where('id', '=', volume.id),
        );
        release(tx, from, volume.size_gib, 1);
        return {};
      },
      undo: { none: 'forward only: the volume lies in its new pool, whole and compared' },
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
      done: (tx, run) => settle(tx, run, 'by-attachments', moved(run)),
      undone(tx, run) {
        const { place: way } = run.out;
        const failed = kind === 'volume.migrate' || (way !== undefined && way.from !== way.to);
        settle(tx, run, 'by-attachments', failed ? { migration_status: 'error' } : {});
      },
      // What could not be turned back has not moved.
      stuck: (tx, run) =>
        settle(
          tx,
          run,
          'by-attachments',
          run.out.commit === undefined ? { migration_status: 'error' } : moved(run),
        ),
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
  const wanted = { sizeGib: volume.size_gib, availabilityZone: volume.availability_zone, extraSpecs };
  if (input.type !== undefined && input.pool === undefined) {
    const unmet = await placement.unmet(tx, from, wanted);
    if (unmet === null) return { from, to: from };
    if (input.policy === 'never')
      throw new NoValidPool(`The volume would have to move, which was not allowed: of ${from}, ${unmet}.`);
  }
  if (facts.attachments.length > 0)
    throw new TaskError('refused', 'a volume that is attached cannot be moved');
  if (facts.snapshots > 0)
    throw new TaskError('refused', `a volume that has snapshots cannot be moved: it has ${facts.snapshots}`);
  return { from, to: await placement.place(tx, { ...wanted, pool: input.pool, except: from }) };
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
    ...(out.place !== undefined &&
      out.place.from !== out.place.to && { migration_status: 'success' as const }),
    ...(type !== undefined && { volume_type_id: type.id, multiattach: type.multiattach ? 1 : 0 }),
  };
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
