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
  /** The row that fails: then only the way back counts, the rest is another way's. */
  readonly turnsBackAt?: string;
}

type TaskRow = Exclude<AnyRow, { on: 'conductor' }>;

/** Every place that an operation passes on this way, in order: before, during and after the effect of each step. */
export function placesOf(way: Way): Place[] {
  const { kind, skips = [], inside = {}, never = [], turnsBackAt } = way;
  const rows = taskRows(kind).filter(({ name }) => !skips.includes(name));
  if (turnsBackAt !== undefined) {
    return [
      turnOf(way),
      ...undone(way).flatMap((task) =>
        around(
          task,
          (task === 'export.ensure' ? TAKEN_AWAY : INSIDE[task]).filter((point) => !never.includes(point)),
        ),
      ),
      `conductor.ended@${kind}`,
    ];
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

/** Where an operation has been written down as one that is being undone. */
export function turnOf({ kind }: Way): Place {
  return `conductor.turned@${kind}`;
}

/** The task of a row that a flow has. */
export function taskOf(kind: OperationKind, row: string): TaskName {
  const { task } = taskRows(kind).find(({ name }) => name === row)!;
  return task;
}

/** The tasks by which what was done up to the row that fails is undone, in their order. */
function undone({ kind, skips = [], turnsBackAt }: Way): TaskName[] {
  const rows = taskRows(kind);
  return rows
    .slice(0, rows.findIndex(({ name }) => name === turnsBackAt) + 1)
    .filter(({ name }) => !skips.includes(name))
    .toReversed()
    .flatMap(({ undo }) => ('none' in undo ? [] : [undo.task]));
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

/** Flows, single rows (`flow: row`) or their undos (`flow: row, undone`) that no way goes through, and why. */
export type Exempt = Readonly<Partial<Record<OperationKind | `${OperationKind}: ${string}`, string>>>;

/**
 * What no way goes through: whole flows, single rows, or undos of rows. A new flow must have a way, a row with an undo one that fails
 * there or further down, or a reason in `exempt`; who is exempt with its row is so with its undo.
 */
export function uncovered(ways: readonly Way[], exempt: Exempt): string[] {
  return (Object.keys(FLOWS) as OperationKind[])
    .flatMap((kind): (OperationKind | `${OperationKind}: ${string}`)[] => {
      const mine = ways.filter((way) => way.kind === kind);
      const there = mine.filter(({ turnsBackAt }) => turnsBackAt === undefined);
      const back = mine.filter(({ turnsBackAt }) => turnsBackAt !== undefined);
      if (there.length === 0) return [kind];
      const rows = taskRows(kind);
      const passed = rows.filter(({ name }) => !there.every(({ skips = [] }) => skips.includes(name)));
      const left = passed.filter(
        ({ undo }) => !('none' in undo || back.some((way) => undone(way).includes(undo.task))),
      );
      return [
        ...rows.filter((row) => !passed.includes(row)).map(({ name }) => `${kind}: ${name}` as const),
        ...left.map(({ name }) => `${kind}: ${name}, undone` as const),
      ];
    })
    .filter((each) => exempt[each] === undefined);
}
