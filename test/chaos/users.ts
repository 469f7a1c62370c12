import type { VolumeStatus } from '#schema/states.ts';
import { backUp, backupsIn, restoreOver } from './backups.ts';
import { encryptedType } from './encrypted.ts';
import type { Rig } from './rig.ts';

/** Calls that somebody may make now; none while the volume is in no state for any. */
type Choices = readonly (() => Promise<unknown>)[];

/** What a user of a soak does with the volume of this name, by what has become of it. */
export type User = (rig: Rig, name: string) => Promise<Choices>;

const SIZE_AT_MOST = 3;

/** Volumes that come, grow, are attached and go. */
export const plain: User = async (rig, name) => {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name)];
  const grow = (): Promise<unknown> => rig.extend(volume.id, volume.size_gib + 1);
  const mayGrow = volume.size_gib < SIZE_AT_MOST ? [grow] : [];
  const attach = (): Promise<unknown> => rig.attach(volume.id);
  const calls: Partial<Record<VolumeStatus, Choices>> = {
    available: [attach, attach, () => rig.delete(volume.id), ...mayGrow],
    'in-use': [() => rig.detach(volume.id), ...mayGrow],
    error: [() => rig.delete(volume.id)],
  };
  return calls[volume.status] ?? [];
};

/** Volumes made from images, snapshots of them, and what is put in their place again. */
export const copies: User = async (rig, name) => {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name, { imageRef: rig.image }), () => rig.create(name)];
  const remove = (): Promise<unknown> => rig.delete(volume.id);
  if (volume.status !== 'available') return [remove];
  const [newest, ...older] = await rig.snapshotsOf(volume.id);
  const snap = (): Promise<unknown> =>
    rig.call('POST', rig.path('snapshots'), { snapshot: { volume_id: volume.id, name } });
  const reimage = (): Promise<unknown> => rig.act(volume.id, { 'os-reimage': { image_id: rig.image } });
  if (newest === undefined) return [snap, reimage, remove];
  return [
    snap,
    reimage,
    () => rig.act(volume.id, { revert: { snapshot_id: newest } }),
    ...[newest, ...older].map((id) => () => rig.call('DELETE', rig.path(`snapshots/${id}`))),
  ];
};

/** Volumes that clients connect to by themselves. */
export const clients: User = async (rig, name) => {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name)];
  const attachments = await rig.attachmentsOf(volume.id);
  if (attachments.length > 0)
    return attachments.map((id) => () => rig.call('DELETE', rig.path(`attachments/${id}`)));
  return [() => rig.lend(volume.id), () => rig.lend(volume.id), () => rig.delete(volume.id)];
};

/** A server that boots from a volume. */
export const servers: User = async (rig, name) => {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name)];
  const server = (await rig.servers()).at(0);
  if (server === undefined) {
    if (volume.status !== 'available') return [() => rig.delete(volume.id)];
    return [() => rig.bootFrom(volume.id)];
  }
  const path = `/compute/v2.1/servers/${server.id}`;
  return [
    () => rig.call('DELETE', path),
    () => rig.call('POST', `${path}/action`, { reboot: { type: 'HARD' } }),
  ];
};

/** Volumes whose limits change while a guest has them. */
export const limited: User = async (rig, name) => {
  const { type, retune } = await rig.limits();
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name, { volume_type: type })];
  return [...(await plain(rig, name)), retune];
};

/** Volumes that move from one back end to the other. */
export const movers: User = async (rig, name) => {
  const volume = await rig.named(name);
  const choices = await plain(rig, name);
  if (volume?.status !== 'available') return choices;
  const host = await rig.otherPool(volume.id);
  const move = (): Promise<unknown> => rig.act(volume.id, { 'os-migrate_volume': { host } });
  return [...choices, move, move];
};

/** Encrypted volumes. */
export const secretive: User = async (rig, name) => {
  if ((await rig.named(name)) !== undefined) return plain(rig, name);
  const volume_type = await encryptedType(rig);
  return [() => rig.create(name, { volume_type })];
};

/** Volumes that are backed up, and restored over themselves. */
export const careful: User = async (rig, name) => {
  const volume = await rig.named(name);
  if (volume === undefined) return [() => rig.create(name)];
  const backups = (await backupsIn(rig)).filter(({ volume_id }) => volume_id === volume.id);
  if (backups.some(({ operation_id }) => operation_id !== null)) return [];
  const drop = backups.map(
    ({ id }) =>
      () =>
        rig.call('DELETE', rig.path(`backups/${id}`)),
  );
  const remove = (): Promise<unknown> => rig.delete(volume.id);
  if (volume.status !== 'available') return drop.length > 0 ? drop : [remove];
  const restore = backups.map(
    ({ id }) =>
      () =>
        restoreOver(rig, id, volume.id),
  );
  return [() => backUp(rig, volume.id), ...restore, ...drop, ...(drop.length === 0 ? [remove] : [])];
};
