import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Cell } from './cells.ts';
import { FAULTS, faultOptions } from './faults.ts';
import { assertNothingLeft } from './inventory.ts';
import type { Rig } from './rig.ts';
import { RECOVERY_MS } from './stage.ts';
import { SUBJECTS } from './subjects/index.ts';
import type { End } from './subjects/subject.ts';

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
  rig.stops.arm(place);
  try {
    const reached = rig.stops.reached(place, subject.takesS);
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
