import type { Handlers } from '#agent/handlers.ts';
import type { Secrets } from '#queues/secrets.ts';
import { reach } from '#queues/stopping-points.ts';
import type { Luks } from '#schema/luks.ts';
import { type Acl, type CopySource, TaskError, type VolumeSource } from '#schema/tasks.ts';
import { type Backend, type Content, GIB, type ImageContent } from './backends/backend.ts';
import { contentOfBackup } from './backups/content.ts';
import { backupHandlers } from './backups/handlers.ts';
import type { BackupStore } from './backups/store.ts';
import type { Disks, OpenedDisk } from './images/disks.ts';
import type { Images } from './images/images.ts';
import type { OpenLuks } from './images/luks.ts';
import type { RawDisk } from './images/qemu-img.ts';
import { isSameFile } from './same-file.ts';
import { assertAcls, assertConnection } from './targets/limits.ts';
import type { ClearAcl, Device, ExportState, Target } from './targets/target.ts';

export interface StorageDeps {
  /** By the name that tasks carry in `backend`. */
  readonly backends: ReadonlyMap<string, Backend>;
  readonly target: Target;
  /** Opens the CHAP secrets, which are sealed with the volume id as context. */
  readonly secrets: Pick<Secrets, 'decrypt'>;
  /** Copies what lies elsewhere, and encrypts. */
  readonly disks: Disks;
  /** Without it, what concerns images is refused. */
  readonly images?: Images;
  /** Without it, what concerns backups is refused. */
  readonly backups?: BackupStore;
}

/** A volume as the content of another, which can be compared with what is there. */
interface CopiedVolume extends ImageContent {
  open<T>(atMostBytes: number, work: (opened: OpenedDisk) => Promise<T>): Promise<T>;
}

/** What a storage agent does for each task (schema/tasks.ts). Every one may run twice, or after a crash half-way. */
export function createStorageHandlers({
  backends,
  target,
  secrets,
  disks,
  images,
  backups,
}: StorageDeps): Handlers<'storage'> {
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
        'a CHAP secret cannot be opened (is BLOCKYARD_AGENT_KEY the one that `blockyard agent add` made?)',
      );
    }
  };

  const passphraseOf = (volumeId: string, { secret, cipher, keyBits }: Luks): OpenLuks => {
    try {
      return { cipher, keyBits, passphrase: secrets.decrypt(secret, volumeId) };
    } catch {
      throw new TaskError(
        'refused',
        'the volume’s passphrase cannot be opened (is BLOCKYARD_AGENT_KEY the one that `blockyard agent add` made?)',
      );
    }
  };
  const encrypted = (volumeId: string, luks: Luks, plain: Content | undefined): Content => {
    // The data of volumes, snapshots and backups are encrypted where they lie.
    if (plain !== undefined && plain.kind !== 'image')
      throw new TaskError('invalid', 'only an image is encrypted when a volume is made of it');
    return { kind: 'image', image: disks.encrypted(volumeId, passphraseOf(volumeId, luks), plain?.image) };
  };
  const inUse = async (volumeId: string): Promise<boolean> => isInUse(await target.find(volumeId));
  const assertShutOut = async (volumeId: string, initiators: readonly string[]): Promise<void> => {
    for (const initiator of initiators) {
      const left = await target.lingering(volumeId, initiator);
      if (left !== null) throw new TaskError('failed', `${initiator} ${left}`);
    }
  };
  /** The target may still have open what is gone for everybody else: who has left is shut out of it, and nobody new let in. */
  const keepOnly = async (
    volumeId: string,
    backend: Backend,
    acls: readonly Acl[],
    number: number,
  ): Promise<void> => {
    // LIO tells them in lower case.
    const inside = new Set((await target.find(volumeId))?.initiators.map((each) => each.toLowerCase()));
    const stay = acls
      .filter(({ initiator }) => inside.has(initiator.toLowerCase()))
      .map((acl) => open(volumeId, acl));
    // With nobody left it would be closed, and be gone for good.
    if (stay.length === 0 || stay.length === inside.size) return;
    await target.ensure(volumeId, deviceOf(backend, volumeId), stay, number);
  };
  const withImages = (): Images => {
    if (images === undefined)
      throw new TaskError('refused', 'this storage host has no BLOCKYARD_IMAGE_URL to get images from');
    return images;
  };
  const storeOf = (): BackupStore => {
    if (backups === undefined)
      throw new TaskError('refused', 'this storage host has no BLOCKYARD_BACKUP_REPOSITORY');
    return backups;
  };
  const contentOf = (source: VolumeSource, signal: AbortSignal): Content => {
    if (source.kind === 'volume') return { kind: 'volume', volumeId: source.volumeId, inUse };
    if (source.kind === 'snapshot') return { kind: 'snapshot', snapshotId: source.snapshotId };
    if (source.kind === 'backup') {
      const { store, repository, dataId } = source;
      return { kind: 'image', image: contentOfBackup(storeOf(), { store, repository, dataId }, signal) };
    }
    return { kind: 'image', image: withImages().content(source.image, signal) };
  };

  /** An export that nobody uses holds its device all the same. */
  const closed = async (volumeId: string): Promise<void> => {
    const state = await target.find(volumeId);
    if (isInUse(state)) throw new TaskError('refused', 'the volume is still exported');
    if (state !== null) await target.absent(volumeId, null);
  };
  /** Shows a volume as it lies elsewhere. */
  const diskOf = (
    volumeId: string,
    from: CopySource,
    chap: Acl['chap'] | undefined,
  ): (<T>(work: (disk: RawDisk) => Promise<T>) => Promise<T>) => {
    if (from.kind === 'local') {
      const source = backendOf(from.backend);
      return (work) => source.read(volumeId, inUse, (path) => work({ path }));
    }
    if (chap === undefined) throw new TaskError('invalid', 'an export is read with an account');
    const acl = open(volumeId, { initiator: from.initiator, chap });
    assertAcls([acl]);
    assertConnection(from.connection);
    return (work) => disks.overIscsi({ volumeId, connection: from.connection, ...acl }, work);
  };
  /** A volume's data as the content of another; with another encryption, where one is named. */
  const copyOf = (
    volumeId: string,
    { was, luks }: { readonly was?: Luks | undefined; readonly luks?: Luks | undefined },
    show: ReturnType<typeof diskOf>,
    sizeGib: number,
  ): CopiedVolume => {
    const opened = (key: Luks | undefined) => (key === undefined ? null : passphraseOf(volumeId, key));
    const how = { was: opened(was), luks: opened(luks) };
    const asItIs = how.was === null && how.luks === null;
    return {
      id: volumeId,
      digest: null,
      open: (_atMost, work) =>
        show(async (disk) =>
          asItIs ? work(await disks.opened(disk)) : disks.recoded(volumeId, disk, how, sizeGib * GIB, work),
        ),
    };
  };

  return {
    ...backupHandlers({ backendOf, inUse, closed, storeOf }),
    async 'volume.ensure'({ volumeId, backend, sizeGib, source, luks }, { signal }) {
      const plain = source === undefined ? undefined : contentOf(source, signal);
      const content = luks === undefined ? plain : encrypted(volumeId, luks, plain);
      return { sizeBytes: await backendOf(backend).ensure(volumeId, sizeGib * GIB, content) };
    },
    async 'volume.grow'({ volumeId, backend: name, sizeGib }) {
      const backend = backendOf(name);
      const sizeBytes = await backend.grow(volumeId, sizeGib * GIB);
      await reach('grow.grown');
      await target.grown(volumeId, deviceOf(backend, volumeId), sizeBytes);
      return { sizeBytes };
    },
    async 'volume.absent'({ volumeId, backend, keptIn }) {
      const place = backendOf(backend);
      if (keptIn !== undefined && (await isOnePlace(volumeId, place, backendOf(keptIn)))) return {};
      await closed(volumeId);
      await reach('absent.unexported');
      await place.absent(volumeId);
      return {};
    },
    async 'volume.copy'({ volumeId, backend, sizeGib, from, chap, was, luks }) {
      const place = backendOf(backend);
      // What is there already would be taken for the copy, and the former place, the only one, be emptied.
      if (from.kind === 'local' && (await isOnePlace(volumeId, place, backendOf(from.backend))))
        throw new TaskError(
          'refused',
          `${from.backend} and ${backend} lie in one volume group or folder, which holds a volume’s name once`,
        );
      const image = copyOf(volumeId, { was, luks }, diskOf(volumeId, from, chap), sizeGib);
      // Of that name an earlier run has made it, or an earlier move has left it.
      if (!place.keepsNothing && (await place.activate(volumeId))) {
        const isIt = await image.open(Infinity, (opened) => opened.isAt(place.devicePath(volumeId)));
        if (!isIt) await place.absent(volumeId);
      }
      return {
        sizeBytes: await place.ensure(volumeId, sizeGib * GIB, { kind: 'image', image }),
      };
    },
    async 'volume.stage'({ volumeId, backend, sizeGib, was, luks }) {
      await closed(volumeId);
      const here = diskOf(volumeId, { kind: 'local', backend }, undefined);
      await backendOf(backend).stage(volumeId, sizeGib * GIB, copyOf(volumeId, { was, luks }, here, sizeGib));
      return {};
    },
    async 'volume.unstage'({ volumeId, backend }) {
      await backendOf(backend).unstage(volumeId);
      return {};
    },
    async 'volume.replace'({ volumeId, backend }) {
      await closed(volumeId);
      await backendOf(backend).replace(volumeId);
      return {};
    },
    async 'volume.rewrite'({ volumeId, backend, sizeGib, source, luks }, { signal }) {
      const place = backendOf(backend);
      await closed(volumeId);
      if (source.kind === 'snapshot') {
        await place.rewrite(volumeId, sizeGib * GIB, { kind: 'snapshot', snapshotId: source.snapshotId });
        return {};
      }
      const plain = withImages().content(source.image, signal);
      const image =
        luks === undefined ? plain : disks.encrypted(volumeId, passphraseOf(volumeId, luks), plain);
      await place.rewrite(volumeId, sizeGib * GIB, { kind: 'image', image });
      return {};
    },
    async 'snapshot.adopt'({ volumeId, backend, snapshotId, name, sizeGib }) {
      await backendOf(backend).adoptSnapshot(volumeId, snapshotId, name, sizeGib * GIB);
      return {};
    },
    async 'snapshot.release'({ backend, snapshotId, name }) {
      await backendOf(backend).releaseSnapshot(snapshotId, name);
      return {};
    },
    async 'snapshot.ensure'({ volumeId, backend, snapshotId }) {
      await backendOf(backend).snapshot(volumeId, snapshotId, inUse);
      return {};
    },
    async 'snapshot.absent'({ backend, snapshotId }) {
      await backendOf(backend).snapshotAbsent(snapshotId);
      return {};
    },
    async 'volume.upload'({ volumeId, backend, imageId, diskFormat }, { signal }) {
      const all = withImages();
      await backendOf(backend).read(volumeId, inUse, (path, sizeBytes) =>
        all.upload(imageId, diskFormat, { path, sizeBytes }, signal),
      );
      return {};
    },
    async 'storage.remove'({ backend, kind, id }) {
      const state = kind === 'volume' || kind === 'deleting' ? await target.find(id) : null;
      if (isInUse(state)) throw new TaskError('refused', 'it is still exported');
      // An export that nobody uses holds its device all the same.
      if (kind === 'volume' && state !== null) await target.absent(id, null);
      await backendOf(backend).remove(kind, id);
      return {};
    },
    async 'export.absent'({ volumeId }) {
      await target.absent(volumeId, null);
      return {};
    },
    async 'volume.adopt'({ volumeId, backend, name, sizeGib }) {
      const place = backendOf(backend);
      const other = (await target.inventory())?.find(({ path }) => path?.endsWith(`/${name}`) === true);
      if (other !== undefined && other.volumeId !== volumeId)
        throw new TaskError('refused', `${name} is exported as volume ${other.volumeId}`);
      return { sizeBytes: await place.adopt(volumeId, name, sizeGib * GIB) };
    },
    async 'volume.release'({ volumeId, backend, name }) {
      const place = backendOf(backend);
      await closed(volumeId);
      await place.release(volumeId, name);
      return {};
    },
    async 'export.ensure'({ volumeId, backend: name, number, acls, shutOut = [] }) {
      const backend = backendOf(name);
      if (acls.length === 0) {
        await target.absent(volumeId, number);
        await assertShutOut(volumeId, shutOut);
        return { connection: null };
      }
      if (!(await backend.activate(volumeId))) {
        await keepOnly(volumeId, backend, acls, number);
        await assertShutOut(volumeId, shutOut);
        throw new TaskError('not-found', 'the volume does not exist on this backend');
      }
      const opened = acls.map((acl) => open(volumeId, acl));
      const connection = await target.ensure(volumeId, deviceOf(backend, volumeId), opened, number);
      await assertShutOut(volumeId, shutOut);
      return { connection };
    },
  };
}

/** Back ends may share a volume group (a thin pool and thick volumes) or a folder, and a name is there once. */
async function isOnePlace(volumeId: string, one: Backend, other: Backend): Promise<boolean> {
  if (one.keepsNothing === true || other.keepsNothing === true) return false;
  return await isSameFile(one.devicePath(volumeId), other.devicePath(volumeId));
}

/** Somebody may log in, or is still there. */
function isInUse(state: ExportState | null): boolean {
  return state !== null && (state.initiators.length > 0 || state.sessions > 0);
}
