import { badRequest } from '#api/http/errors.ts';
import { uuid } from '#api/http/fields.ts';
import type { Mapping, NewServer } from './schema.ts';

export interface Mappings {
  readonly root: Mapping;
  /** The others, in the order in which they were named. */
  readonly data: readonly Mapping[];
}

const FROM_WHAT =
  'Nothing to boot from: name an image (openstack server create --image IMAGE) or a volume (--volume VOLUME).';

const invalid = (why: string): Error => badRequest(`Block Device Mapping is Invalid: ${why}`);

/** Which of the disks asked for is the root. @throws ApiError 400 when there is none, or they do not go together. */
export function readMappings({ block_device_mapping_v2: mappings = [], imageRef }: NewServer): Mappings {
  checkBootOrder(mappings);
  const image = imageRef == null || imageRef === '' ? null : idOfImage(imageRef);
  const named = mappings.find((mapping) => bootIndexOf(mapping) === 0);
  const root = named === undefined ? rootOfImage(image, mappings) : withoutLocal(named);
  if (image !== null && !(root.source_type === 'image' && root.uuid === image)) {
    throw badRequest('imageRef names another image than the root volume is to be made from.');
  }
  checkVolumes(mappings);
  const data = mappings.filter((mapping) => mapping !== named);
  checkDevices(data);
  return { root, data };
}

/** An image's id, or a link that ends in it. */
function idOfImage(reference: string): string {
  const id = uuid.safeParse(reference.slice(reference.lastIndexOf('/') + 1));
  if (!id.success) throw badRequest('Invalid imageRef provided.');
  return id.data;
}

/** Where Nova would make a disk of the host's, a volume is made that lives as long: it goes with the server. */
function rootOfImage(image: string | null, mappings: readonly Mapping[]): Mapping {
  if (image !== null) {
    return { boot_index: 0, source_type: 'image', uuid: image, delete_on_termination: true };
  }
  throw badRequest(mappings.length === 0 ? FROM_WHAT : 'Invalid block device mapping: boot_index must be 0.');
}

/** Clients that name the image as a disk of the host's mean the same. */
function withoutLocal(root: Mapping): Mapping {
  if (root.destination_type !== 'local') return root;
  if (root.source_type !== 'image') throw badRequest(FROM_WHAT);
  return { ...root, destination_type: 'volume', delete_on_termination: true };
}

/** Nothing, or less than 0: not to boot from. */
function bootIndexOf({ boot_index }: Mapping): number {
  return Number(boot_index ?? -1);
}

/** As in Nova each of 0, 1, 2 … once; but nothing is booted from any but the first. */
function checkBootOrder(mappings: readonly Mapping[]): void {
  const order = mappings.map(bootIndexOf).filter((index) => index >= 0);
  const sorted = order.toSorted((a, b) => a - b);
  if (sorted.some((index, place) => index !== place)) {
    throw invalid('boot_index must count up from 0, each once.');
  }
}

function checkVolumes(mappings: readonly Mapping[]): void {
  const named = mappings.filter(({ source_type: type = 'volume' }) => type === 'volume');
  const ids = named.flatMap(({ uuid }) => uuid ?? []);
  if (new Set(ids).size < ids.length) throw invalid('a volume is named twice.');
  if (mappings.some(({ tag }) => tag !== undefined)) {
    throw badRequest('Tags of attachments are not supported yet.');
  }
}

const ROOT_DEVICE = 'vda';

function checkDevices(data: readonly Mapping[]): void {
  const names = data.flatMap(({ device_name: name }) => name?.replace(/^\/dev\//, '') ?? []);
  if (new Set([ROOT_DEVICE, ...names]).size <= names.length) {
    throw invalid(`each device_name must be another one, and none ${ROOT_DEVICE}: that is the root.`);
  }
}
