import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { type Stack, startStack } from '../environment.ts';
import { buildGuest } from '../guest/image.ts';
import { servicesUp } from '../readiness.ts';
import { claimRunDir } from '../run-dir.ts';
import { Client } from './client.ts';
import { endStack, stopStack, takeAway, tidy } from './ending.ts';
import { explain } from './failure.ts';
import { Interrupted, watchSignals } from './interruption.ts';
import { type LogFile, logFile } from './log-file.ts';
import { ownProcesses } from './processes.ts';
import { duration, type Report } from './report.ts';
import { BACKEND, type Scene } from './scene.ts';
import { lookAround } from './steps/services.ts';
import { walk } from './walk.ts';

export interface DemoOptions {
  /** Emptied first, and gone at the end. */
  readonly runDir: string;
  /** Leaves everything running after the walk until a signal comes. */
  readonly keep: boolean;
}

const GUEST_CACHE = '.data/cache/guest';
const EXIT_INTERRUPTED = 130;

/**
 * The whole demo, cleaned up whatever happens.
 * @returns the exit code: 0 only if every observation held.
 */
export async function runDemo(options: DemoOptions, report: Report): Promise<number> {
  const began = performance.now();
  const runDir = resolve(options.runDir);
  const log = logFile(runDir);
  const signals = watchSignals();
  let stack: Stack | undefined;
  let scene: Scene | undefined;
  try {
    await refuseForeign(runDir);
    report.line('Blockyard: a volume reaches a virtual machine\n');
    const building = buildGuest(GUEST_CACHE);
    building.catch(() => undefined);
    stack = await report.step('Start the servers and the processes of the Procfile', async (step) => {
      const started = await start(runDir, log);
      scene = { stack: started, client: new Client(started), report, made: {} };
      step.did(`started: ${namesOf(started).join(', ')}`);
      await lookAround(scene, step);
      return started;
    });
    const guest = await signals.orInterrupted(building.then((image) => walk(scene!, image)));
    if (options.keep) {
      report.line(`\nAll ${report.observations} observations held.\n${whereToLook(stack, log)}`);
      await signals.asked;
      return 0;
    }
    await report.step('Clean up', async (step) => {
      const processes = ownProcesses(guest.name);
      await takeAway(scene!, step, guest);
      const last = stack!;
      stack = undefined;
      await stopStack(last, step, runDir, processes);
    });
    const took = duration(performance.now() - began);
    report.line(`\nAll ${report.observations} observations held, and nothing is left. It took ${took}.`);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      report.mute();
      return EXIT_INTERRUPTED;
    }
    await explain(report, error, log, scene);
    return 1;
  } finally {
    stack ??= scene?.stack;
    if (stack !== undefined) await cleanUp(stack, scene, runDir);
    await removeRunDir(runDir);
    signals.close();
  }
}

/** @throws Error for a folder that holds something else than a former run: it would be lost. */
async function refuseForeign(runDir: string): Promise<void> {
  const names: string[] = await readdir(runDir).catch(() => []);
  if (names.length > 0 && !names.includes('stack.json'))
    throw new Error(`${runDir} is not empty, and not a run directory`);
}

async function start(runDir: string, log: LogFile): Promise<Stack> {
  const env = {
    BLOCKYARD_BACKENDS: `file:name=demo,backend_name=${BACKEND},path=${runDir}/volumes`,
    // Beside others in a Redis that was given to us.
    BLOCKYARD_QUEUE_PREFIX: 'blockyard-demo',
  };
  return await startStack({ runDir, fresh: true, env, log: log.write, ready: servicesUp });
}

async function cleanUp(stack: Stack, scene: Scene | undefined, runDir: string): Promise<void> {
  await scene?.made.console?.[Symbol.asyncDispose]();
  const { servers } = stack;
  const given = Object.values([servers.redis, servers.mariadb, servers.tgtd, servers.libvirt]);
  if (scene !== undefined && given.includes(undefined)) await tidy(scene);
  await endStack(stack, runDir);
}

/** Also what a stack has left that did not come up; but nothing that another run is at work in. */
async function removeRunDir(runDir: string): Promise<void> {
  if (!existsSync(join(runDir, 'stack.json'))) return;
  const claimed = await claimRunDir(runDir).catch(() => undefined);
  if (claimed === undefined) return;
  await rm(runDir, { recursive: true, force: true });
  await claimed.release();
}

function namesOf({ servers, processes }: Stack): string[] {
  const started = {
    Redis: servers.redis,
    MariaDB: servers.mariadb,
    tgtd: servers.tgtd,
    libvirtd: servers.libvirt,
  };
  const own = Object.entries(started).flatMap(([name, server]) => (server === undefined ? [] : name));
  return [...own, ...processes.keys()];
}

function whereToLook({ apiUrl, env }: Stack, log: LogFile): string {
  const path = (file: string): string => relative('.', file);
  const tokens = path(env['BLOCKYARD_TOKENS_FILE'] ?? '');
  return `Everything keeps running:
  Block storage   ${apiUrl}/v3/
  Compute         ${apiUrl}/compute/v2.1/
  Dashboard       ${apiUrl}/dashboard
  OpenAPI         ${apiUrl}/openapi.json
  Token           in ${tokens}, sent as X-Auth-Token
  Log             ${path(log.path)}
Try:
  export BLOCKYARD_URL=${apiUrl} BLOCKYARD_TOKEN=$(grep -o '[0-9a-f]\\{36\\}' ${tokens})
  bin/blockyard operations list
  virsh --connect '${env['BLOCKYARD_LIBVIRT_URI'] ?? 'qemu:///system'}' list --all
Ctrl-C here, or kill ${process.pid}, stops everything and removes it.`;
}
