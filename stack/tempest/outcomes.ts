import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemRunner } from '#agent/run.ts';
import { sharesOf, workerFile } from './shares.ts';

/** How one test ended. */
export interface Outcome {
  /** `tempest.api.volume.….TestClass.test_name`, without the tags behind it; or `setUpClass (…)` of a class that failed. */
  readonly id: string;
  readonly status: 'success' | 'fail' | 'skip' | 'other';
  readonly seconds: number | null;
  /** Why it was skipped, or the traceback. */
  readonly reason: string;
}

/** Where Debian's package has Tempest; discovery of a part of it takes a third of the time. */
const PACKAGES = '/usr/lib/python3/dist-packages';
const PYTHON = '/usr/bin/python3';
const NICENESS = 5;

/** The tests of a class stay together in one worker: they share what `setUpClass` made. */
const STESTR_CONF = `[DEFAULT]
test_path=${PACKAGES}/tempest/api/volume
top_dir=${PACKAGES}
group_regex=([^\\.]*\\.)*
`;

/** A folder in which stestr runs `tempest.api.volume` with the tempest.conf that lies there. */
export class TempestRun {
  readonly #folder: string;
  #running: ChildProcess | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async in(folder: string): Promise<TempestRun> {
    await writeFile(join(folder, '.stestr.conf'), STESTR_CONF);
    await systemRunner.run('sh', ['-c', 'cd "$1" && /usr/bin/stestr init', 'sh', folder]);
    return new TempestRun(folder);
  }

  /** The names of the tests, with the tags by which stestr knows them. */
  async list(regex: string): Promise<string[]> {
    const { stdout } = await systemRunner.run(
      'sh',
      ['-c', 'cd "$1" && shift && exec /usr/bin/stestr list "$@"', 'sh', this.#folder, regex],
      { timeoutMs: 120_000 },
    );
    return stdout.split('\n').filter((line) => line.startsWith('tempest.'));
  }

  /** Runs those tests and tells of each as it ends. */
  async *run(tests: readonly string[], concurrency: number): AsyncGenerator<Outcome> {
    const list = join(this.#folder, 'tests.txt');
    await writeFile(list, tests.map((test) => `${test}\n`).join(''));
    const workers = join(this.#folder, 'workers.json');
    await writeFile(workers, workerFile(sharesOf(tests.map(plainId), concurrency)));
    const env = {
      ...process.env,
      PATH: `/usr/bin:/bin:${process.env['PATH'] ?? ''}`,
      TEMPEST_CONFIG_DIR: this.#folder,
      TEMPEST_CONFIG: 'tempest.conf',
    };
    // It looks again and again whether something is ready: not with the processor time that would make it ready.
    const pipe = `nice -n ${NICENESS} /usr/bin/stestr run --subunit --concurrency="$1" --worker-file "$4" --load-list "$2" | ${PYTHON} "$3"`;
    const reader = join(import.meta.dirname, 'outcomes.py');
    const child = spawn('sh', ['-c', pipe, 'sh', String(concurrency), list, reader, workers], {
      cwd: this.#folder,
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
      // A group of its own: stestr's workers end with it.
      detached: true,
    });
    this.#running = child;
    for await (const line of createInterface({ input: child.stdout })) yield outcomeOf(JSON.parse(line));
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    this.#running = undefined;
  }

  /** Ends what still runs. */
  stop(): void {
    const pid = this.#running?.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
}

interface Told {
  readonly id: string;
  readonly status: string;
  readonly seconds: number | null;
  readonly reason: string;
}

function outcomeOf({ id, status, seconds, reason }: Told): Outcome {
  const known = status === 'success' || status === 'fail' || status === 'skip';
  return { id: plainId(id), status: known ? status : 'other', seconds, reason };
}

/** Without the tags in brackets. */
export function plainId(id: string): string {
  return id.replace(/\[[^\]]*\]$/, '');
}
