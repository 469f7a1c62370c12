import { appendFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Stack, startStack } from '../environment.ts';
import { buildBootableImage } from '../guest/bootable.ts';
import { servicesUp } from '../readiness.ts';
import { prepareCloud } from './cloud.ts';
import { type Cloud, configuration } from './configuration.ts';
import { readExpected } from './expected.ts';
import { type Outcome, plainId, TempestRun } from './outcomes.ts';
import { judge, type Verdict } from './verdict.ts';

export interface TempestOptions {
  /** Which of the tests of `tempest.api.volume`; nothing runs them all. */
  readonly regex: string;
  readonly concurrency: number;
  /** Who lets people in: Blockyard itself, or a real Keystone that the stack starts. */
  readonly auth: 'builtin' | 'keystone';
  /** Told of each test as it ends. */
  readonly tell: (outcome: Outcome) => void;
  /** Waited for before everything is stopped. */
  readonly linger?: (result: TempestResult, folder: string) => Promise<void>;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

export interface TempestResult extends Verdict {
  readonly outcomes: readonly Outcome[];
  /** From the start of stestr to its end. */
  readonly seconds: number;
}

/** Of the processes' log, when they do not come up. */
const LAST_LINES = 40;
const GUEST_CACHE = '.data/cache/guest';
/** Tempest's own names for two back ends of a Cinder with LVM. */
const BACKENDS = ['lvm', 'lvm2'] as const;

/** A stack of its own, Tempest against it, and the outcome beside what docs/tempest.md says; cleaned up whatever happens. */
export async function runTempest(options: TempestOptions): Promise<TempestResult> {
  // Short: libvirt makes sockets of long names below it.
  const runDir = await mkdtemp(join(tmpdir(), 'by-t-'));
  const folder = join(runDir, 'tempest');
  await mkdir(folder, { mode: 0o700 });
  const expected = await readExpected();
  const tempest = await TempestRun.in(folder);
  let stack: Stack | undefined;
  const stop = (): void => tempest.stop();
  options.signal?.addEventListener('abort', stop);
  try {
    const [tests, image, started] = await Promise.all([
      tempest.list(options.regex),
      buildBootableImage(GUEST_CACHE),
      start(runDir, options.auth).then((it) => (stack = it)),
    ]);
    if (tests.length === 0) throw new Error(`no test of tempest.api.volume matches ${options.regex}`);
    const access = {
      apiUrl: started.apiUrl,
      identityUrl: started.identityUrl,
      admin: started.admin,
    };
    const cloud: Cloud = {
      ...access,
      ...(await prepareCloud(access, image)),
      region: 'blockyard',
      backends: BACKENDS,
      vendor: 'Blockyard',
    };
    await writeFile(join(folder, 'tempest.conf'), configuration(cloud, folder), { mode: 0o600 });
    const began = performance.now();
    const outcomes: Outcome[] = [];
    for await (const outcome of tempest.run(tests, options.concurrency)) {
      outcomes.push(outcome);
      options.tell(outcome);
    }
    options.signal?.throwIfAborted();
    const seconds = (performance.now() - began) / 1_000;
    const result = { ...judge(tests.map(plainId), outcomes, expected), outcomes, seconds };
    await options.linger?.(result, folder);
    return result;
  } finally {
    options.signal?.removeEventListener('abort', stop);
    tempest.stop();
    await stack?.stop();
    await rm(runDir, { recursive: true, force: true });
  }
}

async function start(runDir: string, auth: TempestOptions['auth']): Promise<Stack> {
  const backends = BACKENDS.map((name) => `file:name=${name},path=${runDir}/volumes/${name}`);
  const logPath = join(runDir, 'stack.log');
  return startStack({
    runDir: join(runDir, 'run'),
    auth,
    env: {
      BLOCKYARD_BACKENDS: backends.join(';'),
      // /dev/kvm may be there and no good.
      BLOCKYARD_DOMAIN_TYPE: 'qemu',
      BLOCKYARD_QUEUE_PREFIX: 'blockyard-tempest',
    },
    log: (name, line) => appendFileSync(logPath, `${new Date().toISOString()} ${name} | ${line}\n`),
    ready: servicesUp,
  }).catch(async (error: unknown) => {
    const last = (await readFile(logPath, 'utf8').catch(() => '')).split('\n').slice(-LAST_LINES);
    throw new Error(`${String(error)}\n${last.join('\n')}`, { cause: error });
  });
}
