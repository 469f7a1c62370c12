import { reach } from '#queues/stopping-points.ts';
import type { TaskInput } from '#schema/tasks.ts';
import { findDomain, viewDomain } from '../disks/domain-view.ts';
import { eventGate } from '../disks/event-gate.ts';
import type { DomainEvents } from '../libvirt/events.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { isVirshFailure } from '../libvirt/virsh/virsh-error.ts';
import { cutPower, startDomain } from './start.ts';

export interface PowerDeps {
  readonly virsh: Virsh;
  readonly events: DomainEvents;
  /** How long a guest may take to shut down. */
  readonly shutdownTimeoutMs: number;
  /** Makes a server's volumes reachable again, as they were when it was defined. */
  readonly reconnect: (serverId: string) => Promise<void>;
}

/** A guest that is booting does not hear the power button yet (Nova's interval). */
const ASK_AGAIN_MS = 10_000;

/**
 * Starts, stops or reboots a server. A guest that does not shut down in time is switched off, or reset. The mark that
 * has it started with its host follows.
 * @throws TaskError `not-found`
 */
export async function power(
  deps: PowerDeps,
  { serverId, action }: TaskInput<'server.power'>,
  signal: AbortSignal,
): Promise<Record<string, never>> {
  const { virsh } = deps;
  const { live } = await viewDomain(virsh, serverId);
  await virsh.run(['autostart', serverId, ...(action === 'stop' ? ['--disable'] : [])]);
  await reach('power.marked');
  switch (action) {
    case 'stop':
      if (live !== null && !(await shutsDown(deps, serverId, signal))) await cutPower(virsh, serverId);
      return {};
    case 'reboot':
      if (live !== null && !(await shutsDown(deps, serverId, signal))) await reset(virsh, serverId);
      break;
    case 'hard-reboot':
      if (live !== null) await reset(virsh, serverId);
      break;
    case 'start':
      break;
    default:
      action satisfies never;
  }
  if ((await viewDomain(virsh, serverId)).live === null) {
    await deps.reconnect(serverId);
    await startDomain(virsh, serverId);
  }
  return {};
}

/** Presses the power button, and again from time to time; true as soon as the guest is off. */
async function shutsDown(
  { virsh, events, shutdownTimeoutMs }: PowerDeps,
  serverId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const name = (await findDomain(virsh, serverId))?.name;
  using gate = eventGate(
    events,
    (event) => event.kind === 'gap' || (event.kind === 'lifecycle' && event.domain === name),
  );
  const until = performance.now() + shutdownTimeoutMs;
  for (let left = shutdownTimeoutMs; left > 0; left = until - performance.now()) {
    await virsh.run(['shutdown', serverId, '--mode', 'acpi']).catch((error: unknown) => {
      if (!isVirshFailure(error, 'not-running')) throw error;
    });
    if (await isOffWithin(Math.min(left, ASK_AGAIN_MS))) return true;
  }
  return false;

  async function isOffWithin(ms: number): Promise<boolean> {
    const deadline = performance.now() + ms;
    for (let left = ms; left > 0; left = deadline - performance.now()) {
      if ((await findDomain(virsh, serverId))?.live == null) return true;
      await gate.wait(left, signal);
    }
    return (await findDomain(virsh, serverId))?.live == null;
  }
}

async function reset(virsh: Virsh, serverId: string): Promise<void> {
  await virsh.run(['reset', serverId]).catch((error: unknown) => {
    if (!isVirshFailure(error, 'not-running')) throw error;
  });
}
