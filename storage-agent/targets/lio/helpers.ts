import { fileURLToPath } from 'node:url';
import type { Companion, StartCompanion } from '#agent/companion.ts';
import { recorded } from '#agent/recording.ts';
import { TaskError } from '#schema/tasks.ts';
import { backstoreOf } from './backstore.ts';
import type { Answers, Reply, Work } from './work.ts';

/** The processes that write configfs for the agent. */
export interface Helpers {
  /**
   * Has a piece of work done, as soon as a process is free.
   * @param key pieces with the same key are not begun while one of them hangs in the kernel; it is the volume id.
   * @throws TaskError `refused`; Error with the kernel's words, or when the kernel has not answered in time.
   */
  run<K extends Work['do']>(key: string, work: Extract<Work, { do: K }>): Promise<Answers[K]>;
  /** Ends them all; one that hangs in the kernel ends when the kernel lets it. */
  close(): void;
}

export interface HelpersOptions {
  readonly start: StartCompanion;
  /** Where LIO's configfs is. */
  readonly root: string;
  /** How long one piece of work may take: closing sessions waits for their last commands. Default 20,000. */
  readonly deadlineMs?: number;
}

interface Helper {
  readonly companion: Companion;
  /** Takes its next line: that it is ready, then the reply to what it was given. */
  settle: ((reply: Reply) => void) | null;
}

interface Waiting {
  take(helper: Helper): void;
  fail(error: Error): void;
}

const DEADLINE_MS = 20_000;
/** A piece of work takes some milliseconds: when none has ended for so long, those that wait do so behind one that blocks. */
const PATIENCE_MS = 250;
const MOST = 8;
/** One to work, and one that is ready when that blocks. */
const SPARE = 2;

const PROGRAM = fileURLToPath(new URL('helper.ts', import.meta.url));

/** Starts one process; more follow only when the kernel blocks. */
export function startHelpers({ start, root, deadlineMs = DEADLINE_MS }: HelpersOptions): Helpers {
  /** Starting, free or busy; not those that were given up. */
  const all = new Set<Helper>();
  const free: Helper[] = [];
  const waiting: Waiting[] = [];
  /** What was given up while the kernel had it, by key. */
  const hanging = new Map<string, Promise<unknown>>();
  let starting = 0;
  let patience: NodeJS.Timeout | undefined;
  let closed = false;

  const launch = (): void => {
    const companion = start(process.execPath, [PROGRAM, root]);
    starting += 1;
    const helper: Helper = {
      companion,
      settle(reply) {
        starting -= 1;
        helper.settle = null;
        if ('ok' in reply) release(helper);
        else waiting.shift()?.fail(new Error(reply.error));
      },
    };
    all.add(helper);
    let text = '';
    companion.onStdout((chunk) => {
      text += chunk;
      if (!text.endsWith('\n')) return;
      const reply = JSON.parse(text) as Reply;
      text = '';
      helper.settle?.(reply);
    });
    void companion.ended.then((how) => {
      forget(helper);
      helper.settle?.({ error: `the process that writes configfs is gone: ${how}`, refused: false });
      replaceLost();
    });
  };

  /** Called whenever something has moved. */
  const watchWaiting = (): void => {
    clearTimeout(patience);
    if (closed || waiting.length === 0) return;
    patience = setTimeout(() => {
      if (starting === 0 && all.size < MOST) launch();
      watchWaiting();
    }, PATIENCE_MS);
  };

  const release = (helper: Helper): void => {
    const next = all.has(helper) ? waiting.shift() : undefined;
    watchWaiting();
    if (next !== undefined) next.take(helper);
    else if (free.length < SPARE && all.has(helper)) free.push(helper);
    else void stop(helper);
  };

  const forget = (helper: Helper): void => {
    all.delete(helper);
    const at = free.indexOf(helper);
    if (at !== -1) free.splice(at, 1);
  };

  const stop = (helper: Helper): Promise<void> => {
    forget(helper);
    return helper.companion.stop();
  };

  /** Those who wait would otherwise wait for a process that will not come. */
  const replaceLost = (): void => {
    if (!closed && waiting.length > 0 && starting === 0 && all.size < MOST) launch();
  };

  const acquire = (): Promise<Helper> => {
    const idle = free.pop();
    if (idle !== undefined) return Promise.resolve(idle);
    return new Promise((take, fail) => {
      waiting.push({ take, fail });
      if (all.size === 0) launch();
      if (waiting.length === 1) watchWaiting();
    });
  };

  const giveUp = (helper: Helper, key: string): void => {
    helper.settle = null;
    hanging.set(
      key,
      stop(helper).then(() => hanging.delete(key)),
    );
    replaceLost();
  };

  const exchange = (helper: Helper, key: string, work: Work): Promise<Reply> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => {
        giveUp(helper, key);
        resolve({ error: `the kernel has not answered within ${deadlineMs} ms`, refused: false });
      }, deadlineMs);
      helper.settle = (reply) => {
        clearTimeout(timer);
        helper.settle = null;
        release(helper);
        resolve(reply);
      };
      helper.companion.write(`${JSON.stringify(work)}\n`);
    });

  launch();
  return {
    async run(key, work) {
      if (closed) throw new Error('the agent is stopping');
      if (hanging.has(key)) throw new Error('an earlier call still hangs in the kernel');
      const helper = await acquire();
      return recorded({ program: 'configfs', command: () => shown(work) }, async () => {
        const reply = await exchange(helper, key, work);
        if ('ok' in reply) return reply.ok as never;
        throw reply.refused ? new TaskError('refused', reply.error) : new Error(reply.error);
      });
    },
    close() {
      closed = true;
      clearTimeout(patience);
      for (const helper of all) void stop(helper);
    },
  };
}

/** As the timeline has it: what shall be, without the accounts. */
function shown(work: Work): string {
  if (work.do !== 'ensure') return `configfs: ${work.do}${'iqn' in work ? ` ${work.iqn}` : ''}`;
  const { iqn, backstore, portals, acls } = work;
  const initiators = acls.map(({ initiator }) => initiator).join(',');
  return `configfs: ensure ${iqn} ${backstoreOf(backstore)} device=${backstore.path} portals=${portals.join(',')} initiators=${initiators}`;
}
