import { fileURLToPath } from 'node:url';
import type { Companion, StartCompanion } from '#agent/companion.ts';
import { TaskError } from '#schema/tasks.ts';
import type { Answers, Reply, Work } from './work.ts';

/** The processes that write configfs for the agent. */
export interface Helpers {
  /**
   * Has a piece of work done, as soon as a process is free.
   * @param key pieces with the same key are not begun while one of them hangs in the kernel; it is the volume id.
   * @throws TaskError `refused`; Error with the kernel's words, or when the kernel has not answered in time.
   */
  run<K extends Work['do']>(
    key: string,
    work: Extract<Work, { do: K }>,
    deadlineMs?: number,
  ): Promise<Answers[K]>;
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
  /** Takes the reply to what it was given; null while it is free. */
  settle: ((reply: Reply) => void) | null;
}

const DEADLINE_MS = 20_000;
/** A piece of work takes some milliseconds: who has waited this long waits behind one that blocks. */
const PATIENCE_MS = 250;
const MOST = 8;
/** One to work, and one that is ready when that blocks. */
const SPARE = 2;

const PROGRAM = fileURLToPath(new URL('helper.ts', import.meta.url));

/** Starts one process; more follow only when the kernel blocks. */
export function startHelpers({ start, root, deadlineMs: usualMs = DEADLINE_MS }: HelpersOptions): Helpers {
  const free: Helper[] = [];
  const waiting: ((helper: Helper) => void)[] = [];
  /** Free, busy or starting; not those that were given up. */
  const all = new Set<Helper>();
  /** What was given up while the kernel had it, by key. */
  const hanging = new Map<string, Promise<unknown>>();
  let closed = false;

  const launch = (): Helper => {
    const companion = start(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM, root]);
    const helper: Helper = { companion, settle: null };
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
      all.delete(helper);
      const at = free.indexOf(helper);
      if (at !== -1) free.splice(at, 1);
      helper.settle?.({ error: `the process that writes configfs is gone: ${how}`, refused: false });
      replaceLost();
    });
    return helper;
  };

  const release = (helper: Helper): void => {
    if (!all.has(helper)) return;
    const next = waiting.shift();
    if (next !== undefined) next(helper);
    else if (free.length < SPARE) free.push(helper);
    else void stop(helper);
  };

  const stop = (helper: Helper): Promise<void> => {
    all.delete(helper);
    return helper.companion.stop();
  };

  /** Nobody else would serve those who wait. */
  const replaceLost = (): void => {
    if (!closed && waiting.length > 0 && all.size < MOST) release(launch());
  };

  const acquire = async (): Promise<Helper> => {
    const idle = free.pop();
    if (idle !== undefined) return idle;
    if (all.size === 0) return launch();
    const more = setTimeout(() => {
      if (all.size < MOST) release(launch());
    }, PATIENCE_MS);
    try {
      return await new Promise<Helper>((resolve) => waiting.push(resolve));
    } finally {
      clearTimeout(more);
    }
  };

  const giveUp = (helper: Helper, key: string): void => {
    const gone = stop(helper).then(() => void hanging.delete(key));
    hanging.set(key, gone);
    replaceLost();
  };

  const exchange = (helper: Helper, key: string, work: Work, deadlineMs: number): Promise<Reply> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => {
        helper.settle = null;
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

  free.push(launch());
  return {
    async run(key, work, deadlineMs = usualMs) {
      if (closed) throw new Error('the agent is stopping');
      if (hanging.has(key)) throw new Error('an earlier call still hangs in the kernel');
      const helper = await acquire();
      const reply = await exchange(helper, key, work, deadlineMs);
      if ('ok' in reply) return reply.ok as never;
      throw reply.refused ? new TaskError('refused', reply.error) : new Error(reply.error);
    },
    close() {
      closed = true;
      for (const helper of all) void stop(helper);
    },
  };
}
