import { setTimeout as sleep } from 'node:timers/promises';
import { TaskError } from '#schema/tasks.ts';
import type { Connector } from '../connectors/connector.ts';
import { findDomain } from '../disks/domain-view.ts';
import { parseDomainList } from '../libvirt/virsh/parse.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { startDomain } from '../servers/start.ts';
import { BootMark } from './boot-mark.ts';
import type { PendingEvictions } from './evictions.ts';
import { reconnectVolumes, volumesOf } from './reconnect.ts';
import type { ServerTurns } from './server-turns.ts';

export interface RecoveryOptions {
  readonly virsh: Virsh;
  readonly connector: Connector;
  readonly turns: ServerTurns;
  readonly evictions: Pick<PendingEvictions, 'heard' | 'concerns' | 'concerned'>;
  /** The agent's state folder. */
  readonly dir: string;
  readonly bootId: string;
  readonly log: (line: string) => void;
}

/** A conductor answers a report within milliseconds, if there is one. */
const CONDUCTOR_MS = 5_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 10_000;
/** Domains at a time: each may start an iscsiadm. */
const AT_ONCE = 8;

/**
 * Brings back what a restart of this host has taken: the volumes of each domain that is shut off are connected again, so
 * that it can be started; and if the host was restarted, those that libvirt is to start with it (autostart) are started,
 * as libvirt's own attempt came before their volumes. Tries again until all is well: storage nodes may still be booting.
 * Leftovers of volumes that no domain has are removed after the first look at all of them, however it went: what a domain
 * has in its definition is no leftover. Rejects only when the signal is aborted.
 */
export async function recover(options: RecoveryOptions, signal: AbortSignal): Promise<void> {
  const { dir, bootId, log, connector, virsh } = options;
  const mark = await BootMark.open(dir, bootId);
  await options.evictions.heard(CONDUCTOR_MS);
  /** Servers that need nothing more, and what was last said about the others. */
  const settled = new Set<string>();
  const said = new Map<string, string>();
  const say = (about: string, text: string): void => {
    if (said.get(about) !== text) log(`recovery: ${text}`);
    said.set(about, text);
  };

  let tidied = false;
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    try {
      const complete = await recoverAll(options, mark, settled, say, signal);
      if (!tidied) await connector.tidy(await usedVolumes(virsh));
      tidied = true;
      if (complete) return;
    } catch (error) {
      signal.throwIfAborted();
      say('', text(error));
    }
    await sleep(pause, undefined, { signal });
  }
}

/** @returns true when nothing is left to be done. */
async function recoverAll(
  options: RecoveryOptions,
  mark: BootMark,
  settled: Set<string>,
  say: (about: string, text: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const { virsh } = options;
  const list = async (...filters: string[]) =>
    parseDomainList(await virsh.run(['list', '--inactive', ...filters, '--uuid', '--name']));
  if (!mark.isSettled) await mark.settle((await list('--autostart')).map(({ uuid }) => uuid));
  const off = await list();
  // Somebody else has started the others, or they are gone.
  await mark.keep(new Set(off.map(({ uuid }) => uuid)));
  const todo = off.filter(({ uuid }) => !settled.has(uuid));
  const settle = async (uuid: string): Promise<void> => {
    settled.add(uuid);
    await mark.done(uuid);
  };
  let complete = true;
  const next = async (): Promise<void> => {
    for (let domain = todo.shift(); domain !== undefined; domain = todo.shift()) {
      signal.throwIfAborted();
      const { uuid, name } = domain;
      try {
        const did = await options.turns.alone(uuid, async () => {
          // Somebody may have stopped it, and so taken the mark away, while this waited for its turn.
          const start = mark.isDue(uuid) && (await list('--autostart')).some((each) => each.uuid === uuid);
          return recoverServer(options, uuid, start);
        });
        await settle(uuid);
        if (did !== null) say(uuid, `${name}: ${did}`);
      } catch (error) {
        say(uuid, `${name}: ${text(error)}`);
        // Another attempt would find the same.
        if (error instanceof TaskError && error.code !== 'failed') await settle(uuid);
        else complete = false;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return complete;
}

/** @returns what was done, in words; null for nothing. */
async function recoverServer(
  { virsh, connector, evictions }: RecoveryOptions,
  serverId: string,
  start: boolean,
): Promise<string | null> {
  // Anew: a task may have changed it while this waited for its turn.
  const view = await findDomain(virsh, serverId);
  if (view === null || view.live !== null || view.config === null) return null;
  // One that has lost its only volume of ours could not be started by libvirt while it had it.
  if (volumesOf(view.config).length === 0 && !evictions.concerned(serverId)) return null;
  if (evictions.concerns(serverId))
    throw new Error('waits until a volume that was taken from this host is cleared away');
  const connected = await reconnectVolumes({ virsh, connector }, serverId);
  const did = connected === 0 ? [] : [`${connected} of its volumes connected`];
  if (start) {
    await startDomain(virsh, serverId);
    did.push('started');
  }
  return did.length === 0 ? null : did.join(', ');
}

/** Volumes of every domain, running or not, live or configured. */
async function usedVolumes(virsh: Virsh): Promise<Set<string>> {
  const used = new Set<string>();
  for (const { uuid } of parseDomainList(await virsh.run(['list', '--all', '--uuid', '--name']))) {
    const view = await findDomain(virsh, uuid);
    for (const document of [view?.live, view?.config])
      for (const { volumeId } of document == null ? [] : volumesOf(document)) used.add(volumeId);
  }
  return used;
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
