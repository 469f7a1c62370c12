import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Cell } from './cells.ts';
import { FAULTS, faultOptions } from './faults.ts';
import { assertNothingLeft } from './inventory.ts';
import { taskOf, turnOf } from './places.ts';
import type { Rig } from './rig.ts';
import { RECOVERY_MS } from './stage.ts';
import type { Place } from './stops.ts';
import { SUBJECTS } from './subjects/index.ts';
import type { End, Subject } from './subjects/subject.ts';

export interface Played {
  /** From the blow, or from when a host was back, to the end of the operation. */
  readonly seconds: number;
  /** `never begun`: the call died before it was written. */
  readonly end: End;
}

/** Deaths in which what the api was about to write may be lost. */
const LOSES_WRITING: readonly string[] = [
  'kill -9 of the process there',
  'kill -9 of api',
  'kill -9 of all and Redis',
  'kill -9 of MySQL',
];

/**
 * Arms the place: on a way back once the operation has turned, for what is undone is often asked for by the task that did it.
 * @returns the process that has stopped there.
 */
async function stopAt({ stops }: Rig, subject: Subject, place: Place): Promise<number> {
  const { kind, turnsBackAt, madeToFail, takesS } = subject;
  if (turnsBackAt !== undefined) {
    if (madeToFail) stops.fail(`agent.effected@${taskOf(kind, turnsBackAt)}`);
    const turn = turnOf(subject);
    stops.arm(turn);
    const pid = await stops.reached(turn, takesS);
    if (place === turn) return pid;
    stops.arm(place);
    stops.pass(turn, pid);
  } else stops.arm(place);
  return stops.reached(place, takesS);
}

/**
 * One cell: the operation is stopped at `place`, struck, let go, and must end well with nothing left over, no other volume
 * changed, and the guest still at work.
 */
export async function play(rig: Rig, { subject: title, place, fault }: Cell): Promise<Played> {
  const subject = SUBJECTS.find((each) => each.title === title);
  assert.ok(subject !== undefined, `there is no subject ${title}`);
  await rig.apiUp();
  const { call, verify, afterwards } = await subject.begin(rig);
  const before = await rig.operationCount();
  const aofBytes = await rig.aofBytes();
  try {
    const reached = stopAt(rig, subject, place);
    // An API that is killed says nothing.
    const called = call().catch((error: unknown) => error);
    const pid = await reached.catch(async (error: Error) => {
      throw new Error(`${error.message}; the call ended with ${inspect(await called)}`, { cause: error });
    });
    const began = performance.now();
    await FAULTS[fault].strike(rig, { pid, aofBytes });
    rig.stops.release();
    const back = began + (faultOptions(fault).lastsS ?? 0) * 1_000;
    await called;
    const mayBeLost = place.startsWith('api.writing') && LOSES_WRITING.includes(fault);
    let end: End = 'never begun';
    await rig.until(
      `${title} ends`,
      async () => {
        const operations = await rig.operationsSince(before);
        const stuck = operations.find(({ state }) => state === 'stuck');
        assert.ok(stuck === undefined, `stuck: ${stuck?.error}`);
        if (operations.length === 0) return mayBeLost;
        if (operations.some(({ state }) => (OPEN_OPERATION_STATES as readonly string[]).includes(state)))
          return false;
        end = operations.find(({ kind }) => kind === subject.kind)?.state === 'done' ? 'done' : 'undone';
        return true;
      },
      RECOVERY_MS + ((faultOptions(fault).lastsS ?? 0) + (subject.takesS ?? 0)) * 1_000,
    );
    if (subject.turnsBackAt !== undefined) assert.equal(end, 'undone');
    const seconds = Math.max(0, performance.now() - back) / 1_000;
    await afterwards?.();
    await assertNothingLeft(rig);
    await verify?.(end);
    await rig.verifyBystander();
    return { seconds, end };
  } catch (error) {
    rig.stops.release();
    await afterwards?.().catch(() => undefined);
    throw error;
  } finally {
    rig.stops.release();
  }
}
