import assert from 'node:assert/strict';
import type { TaskName } from '#schema/tasks.ts';
import { assertNothingLeft } from './inventory.ts';
import type { Rig } from './rig.ts';
import type { Place } from './stops.ts';

/** What is done to a stack whose operation has stopped somewhere. */
const FAULTS = {
  'kill -9 of the process there': (rig, { pid }) => rig.kill(rig.nameOf(pid)),
  'kill -9 of Redis': (rig) => rig.stack.servers.crashRedis(),
  FLUSHALL: (rig) => rig.redis.flushall(),
  'Redis back to before the call': (rig, { aofBytes }) => rig.forgetSince(aofBytes),
  'kill -9 of api': (rig) => rig.kill('api'),
  'kill -9 of conductor': (rig) => rig.kill('conductor'),
  'kill -9 of the target': (rig) => rig.crashTgtd(),
  'kill -9 of both agents': (rig) => Promise.all([rig.kill('storage'), rig.kill('compute')]),
  'kill -9 of all and Redis': (rig) =>
    Promise.all([
      ...(['api', 'conductor', 'storage', 'compute'] as const).map((name) => rig.kill(name)),
      rig.stack.servers.crashRedis(),
    ]),
} satisfies Record<string, (rig: Rig, when: { pid: number; aofBytes: number }) => Promise<unknown>>;
type Fault = keyof typeof FAULTS;

const task = (name: TaskName, ...inside: Place[]): Place[] => [
  `conductor.dispatched@${name}`,
  `agent.received@${name}`,
  `agent.journaled@${name}`,
  ...inside,
  `agent.effected@${name}`,
  `conductor.answered@${name}`,
];
const operation = (kind: string, ...tasks: Place[]): Place[] => [
  `api.writing@${kind}`,
  'api.committed',
  'conductor.picked',
  `conductor.claimed@${kind}`,
  ...tasks,
  `conductor.ended@${kind}`,
];

interface Subject {
  readonly places: readonly Place[];
  /** Brings about what the operation needs, and returns its call. */
  readonly begin: (rig: Rig) => Promise<() => Promise<unknown>>;
}

/** The user's operations, and every place that each passes. The failing attach is undone at its last step. */
export const SUBJECTS = {
  create: {
    places: operation('volume.create', ...task('volume.ensure')),
    begin: async (rig) => () => rig.create('cell'),
  },
  delete: {
    places: operation('volume.delete', ...task('volume.absent')),
    begin: async (rig) => on(await rig.volume('available'), (volume) => rig.delete(volume)),
  },
  attach: {
    places: operation('volume.attach', ...task('export.ensure'), ...task('disk.attach', 'attach.connected')),
    begin: async (rig) => on(await rig.volume('available'), (volume) => rig.attach(volume)),
  },
  detach: {
    places: operation(
      'volume.detach',
      ...task('disk.detach', 'detach.unconfigured', 'detach.requested', 'detach.unplugged'),
      ...task('export.ensure'),
    ),
    begin: async (rig) => on(await rig.volume('in-use'), (volume) => rig.detach(volume)),
  },
  'attach that fails': {
    places: task('disk.detach', 'detach.unplugged'),
    begin: async (rig) => on(await rig.volume('available'), (volume) => rig.attach(volume, '/dev/vda')),
  },
} satisfies Record<string, Subject>;
export type SubjectName = keyof typeof SUBJECTS;

export interface Cell {
  readonly subject: SubjectName;
  readonly place: Place;
  readonly fault: Fault;
}

function on(volume: string, call: (volume: string) => Promise<unknown>): () => Promise<unknown> {
  return () => call(volume);
}

export interface Played {
  /** From the blow to the end. */
  readonly seconds: number;
  /** `never begun`: the call died before it was written. */
  readonly end: 'done' | 'undone' | 'never begun';
}

/** One cell: the operation is stopped at `place`, struck, let go, and must end well with nothing left over. */
export async function play(rig: Rig, { subject, place, fault }: Cell): Promise<Played> {
  await rig.apiUp();
  const call = await SUBJECTS[subject].begin(rig);
  const before = (await rig.newest())?.id;
  const aofBytes = await rig.aofBytes();
  rig.stops.arm(place);
  try {
    const reached = rig.stops.reached(place);
    // An API that is killed says nothing.
    const called = call().catch(() => undefined);
    const pid = await Promise.race([reached, called.then(() => reached)]);
    const began = performance.now();
    await FAULTS[fault](rig, { pid, aofBytes });
    rig.stops.release();
    await called;
    const begun = !(place.startsWith('api.writing') && fault === 'kill -9 of the process there');
    let end: Played['end'] = 'never begun';
    if (begun) {
      await rig.until(`${subject} ends`, async () => {
        const operation = await rig.newest();
        if (operation?.id === before || operation?.ended_at == null) return false;
        assert.ok(operation.state === 'done' || operation.state === 'undone', `stuck: ${operation.error}`);
        end = operation.state;
        return true;
      });
    }
    const seconds = (performance.now() - began) / 1_000;
    await assertNothingLeft(rig);
    assert.equal((await rig.newest())?.id !== before, begun);
    return { seconds, end };
  } finally {
    rig.stops.release();
  }
}
