import type { Handlers } from '#agent/handlers.ts';
import type { Secrets } from '#queues/secrets.ts';
import { type Acl, TaskError } from '#schema/tasks.ts';
import { type Backend, GIB } from './backends/backend.ts';
import type { ClearAcl, Device, Target } from './targets/target.ts';

export interface StorageDeps {
  /** By the name that tasks carry in `backend`. */
  readonly backends: ReadonlyMap<string, Backend>;
  readonly target: Target;
  /** Opens the CHAP secrets, which are sealed with the volume id as context. */
  readonly secrets: Pick<Secrets, 'decrypt'>;
}

/** What a storage agent does for each task (schema/tasks.ts). Every one may run twice, or after a crash half-way. */
export function createStorageHandlers({ backends, target, secrets }: StorageDeps): Handlers<'storage'> {
  const backendOf = (name: string): Backend => {
    const backend = backends.get(name);
    if (backend === undefined) throw new TaskError('invalid', 'this host has no backend of that name');
    return backend;
  };
  const deviceOf = (backend: Backend, volumeId: string): Device => ({
    path: backend.devicePath(volumeId),
    discard: backend.discard,
  });
  const open = (volumeId: string, { initiator, chap }: Acl): ClearAcl => {
    try {
      return { initiator, username: chap.username, secret: secrets.decrypt(chap.secret, volumeId) };
    } catch {
      throw new TaskError(
        'refused',
        'a CHAP secret cannot be opened (is BLOCKYARD_SECRET_KEY the same everywhere?)',
      );
    }
  };

  return {
    async 'volume.ensure'({ volumeId, backend, sizeGib }) {
      return { sizeBytes: await backendOf(backend).ensure(volumeId, sizeGib * GIB) };
    },
    async 'volume.grow'({ volumeId, backend: name, sizeGib }) {
      const backend = backendOf(name);
      const sizeBytes = await backend.grow(volumeId, sizeGib * GIB);
      await target.grown(volumeId, deviceOf(backend, volumeId), sizeBytes);
      return { sizeBytes };
    },
    async 'volume.absent'({ volumeId, backend }) {
      const place = backendOf(backend);
      const state = await target.find(volumeId);
      if (state !== null && (state.initiators.length > 0 || state.sessions > 0))
        throw new TaskError('refused', 'the volume is still exported');
      if (state !== null) await target.absent(volumeId);
      await place.absent(volumeId);
      return {};
    },
    async 'export.ensure'({ volumeId, backend: name, acls }) {
      const backend = backendOf(name);
      if (acls.length === 0) {
        await target.absent(volumeId);
        return { connection: null };
      }
      if (!(await backend.activate(volumeId)))
        throw new TaskError('not-found', 'the volume does not exist on this backend');
      const opened = acls.map((acl) => open(volumeId, acl));
      return { connection: await target.ensure(volumeId, deviceOf(backend, volumeId), opened) };
    },
  };
}
