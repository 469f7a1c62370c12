import type { AnyRow } from '#queues/flows/flow.ts';
import { FLOWS } from '#queues/flows/index.ts';
import type { StoppingPoint } from '#queues/stopping-points.ts';
import type { OperationKind } from '#schema/operations.ts';
import type { TaskName } from '#schema/tasks.ts';
import type { Place } from './stops.ts';

/** Where a task's effect is half there; a new task must say so, or say that it has no inside. */
const INSIDE: { readonly [N in TaskName]: readonly StoppingPoint[] } = {
  'volume.ensure': ['volume.allocated'],
  'volume.grow': ['volume.allocated', 'grow.grown'],
  'volume.absent': ['absent.unexported', 'absent.removed'],
  'snapshot.ensure': ['copy.begun', 'copy.whole'],
  'snapshot.absent': ['absent.removed'],
  'storage.remove': [],
  'export.absent': [],
  // One rename.
  'volume.adopt': [],
  'volume.release': [],
  'volume.upload': ['upload.sending'],
  'volume.copy': ['volume.allocated', 'copy.whole'],
  'volume.stage': ['volume.allocated', 'copy.whole'],
  'volume.unstage': ['absent.removed'],
  'volume.replace': ['replace.swapping'],
  'volume.rewrite': ['copy.whole'],
  'snapshot.adopt': [],
  'snapshot.release': [],
  // restic's own doing: what it has not finished, nobody finds.
  'backup.ensure': [],
  'backup.absent': [],
  'backup.find': [],
  'backup.restore': ['image.fetching', 'copy.whole'],
  'export.ensure': ['export.created', 'export.locked'],
  'disk.attach': ['attach.connected'],
  'disk.detach': ['detach.unconfigured', 'detach.requested', 'detach.unplugged'],
  'disk.evict': [],
  'connection.absent': [],
  'disk.tune': ['tune.live'],
  'disk.resize': ['resize.seen'],
  'server.ensure': ['server.connected', 'server.defined'],
  'server.absent': ['server.off'],
  'server.power': ['power.marked'],
};

/** An export that nobody uses any more is taken away by the same task. */
const TAKEN_AWAY: readonly StoppingPoint[] = ['export.emptied'];

export interface Way {
  readonly kind: OperationKind;
  /** Rows of the flow that have nothing to do this time, and so are not passed. */
  readonly skips?: readonly string[];
  /** More places within its tasks, by row. */
  readonly inside?: Readonly<Record<string, readonly StoppingPoint[]>>;
  /** Places that only other ways pass. */
  readonly never?: readonly StoppingPoint[];
  /** Rows that are undone; then only the undos count, the rest is another way's. */
  readonly undoes?: readonly string[];
}

type TaskRow = Exclude<AnyRow, { on: 'conductor' }>;

/** Every place that an operation passes on this way, in order: before, during and after the effect of each step. */
export function placesOf({ kind, skips = [], inside = {}, never = [], undoes }: Way): Place[] {
  const rows = taskRows(kind).filter(({ name }) => !skips.includes(name));
  if (undoes !== undefined) {
    return rows
      .filter(({ name }) => undoes.includes(name))
      .flatMap(({ undo }) =>
        'none' in undo
          ? []
          : around(
              undo.task,
              INSIDE[undo.task].filter((point) => !never.includes(point)),
            ),
      );
  }
  return [
    `api.writing@${kind}`,
    'api.committed',
    'conductor.picked',
    `conductor.claimed@${kind}`,
    ...rows.flatMap(({ name, task }) =>
      around(
        task,
        [...(inside[name] ?? []), ...(name === 'revoke' ? TAKEN_AWAY : INSIDE[task])].filter(
          (point) => !never.includes(point),
        ),
      ),
    ),
    `conductor.ended@${kind}`,
  ];
}

function around(task: TaskName, inside: readonly StoppingPoint[]): Place[] {
  return [
    `conductor.dispatched@${task}`,
    `agent.received@${task}`,
    `agent.journaled@${task}`,
    ...inside,
    `agent.effected@${task}`,
    `conductor.answered@${task}`,
  ];
}

function taskRows(kind: OperationKind): TaskRow[] {
  return FLOWS[kind].rows.filter((row): row is TaskRow => row.on !== 'conductor');
}

/** Flows or single rows (`flow: row`) that no way goes through, and why. */
export type Exempt = Readonly<Partial<Record<OperationKind | `${OperationKind}: ${string}`, string>>>;

/** What no way goes through: whole flows, or single rows. A new flow must have a way, or a reason in `exempt`. */
export function uncovered(ways: readonly Way[], exempt: Exempt): string[] {
  return (Object.keys(FLOWS) as OperationKind[])
    .flatMap((kind): (OperationKind | `${OperationKind}: ${string}`)[] => {
      const mine = ways.filter((way) => way.kind === kind && way.undoes === undefined);
      if (mine.length === 0) return [kind];
      return taskRows(kind)
        .filter(({ name }) => mine.every(({ skips = [] }) => skips.includes(name)))
        .map(({ name }) => `${kind}: ${name}` as const);
    })
    .filter((each) => exempt[each] === undefined);
}
