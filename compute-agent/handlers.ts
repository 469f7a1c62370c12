import type { Handlers } from '#agent/handlers.ts';
import { TaskError } from '#schema/tasks.ts';
import { type AttachDeps, attach } from './disks/attach.ts';
import { type DetachDeps, detach } from './disks/detach.ts';
import { disconnect } from './disks/disconnect.ts';
import { type EvictDeps, evict } from './disks/evict.ts';
import { resize } from './disks/resize.ts';
import { tune } from './disks/tune.ts';
import { DomainXmlError } from './libvirt/domain-xml/domain-xml-error.ts';
import { isVirshFailure } from './libvirt/virsh/virsh-error.ts';
import { removeServer } from './servers/absent.ts';
import { ensureServer, type ServerDeps } from './servers/ensure.ts';
import { type PowerDeps, power } from './servers/power.ts';

export type ComputeDeps = AttachDeps & DetachDeps & EvictDeps & ServerDeps & PowerDeps;

/** What a compute agent can do, through libvirt. */
export function createComputeHandlers(deps: ComputeDeps): Handlers<'compute'> {
  return {
    'disk.attach': (input) => inWords(attach(deps, input)),
    'disk.detach': (input, { signal }) => inWords(detach(deps, input, signal)),
    'disk.evict': (input, { signal }) => inWords(evict(deps, input, signal)),
    'connection.absent': (input) => inWords(disconnect(deps, input)),
    'disk.tune': (input) => inWords(tune(deps.virsh, input)),
    'disk.resize': (input) => inWords(resize(deps, input)),
    'server.ensure': (input) => inWords(ensureServer(deps, input)),
    'server.absent': (input) => inWords(removeServer(deps, input)),
    'server.power': (input, { signal }) => inWords(power(deps, input, signal)),
  };
}

/** Tells the conductor which failures another try cannot mend. */
async function inWords<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (isVirshFailure(error, 'domain-not-found')) throw new TaskError('not-found', error.message);
    if (isVirshFailure(error, 'unsupported')) throw new TaskError('invalid', error.message);
    // Of all that waits for QEMU this is worth another try, until somebody has cut the server's power.
    if (isVirshFailure(error, 'hung'))
      throw new TaskError('failed', `the server's QEMU does not answer: ${error.message}`);
    if (error instanceof DomainXmlError) throw new TaskError('invalid', error.message);
    throw error;
  }
}
