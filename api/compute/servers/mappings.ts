import { badRequest } from '#api/http/errors.ts';
import type { Mapping, NewServer } from './schema.ts';

export interface Mappings {
  readonly root: Mapping;
  /** The others, in the order in which they were named. */
  readonly data: readonly Mapping[];
}

const FROM_VOLUMES =
  'Servers boot from volumes here: name one in block_device_mapping_v2 (openstack server create --volume VOLUME), or have the image made one (--image IMAGE --boot-from-volume GIB).';

const invalid = (why: string): Error => badRequest(`Block Device Mapping is Invalid: ${why}`);

/** Which of the disks asked for is the root. @throws ApiError 400 when there is none, or they do not go together. */
export function readMappings({ block_device_mapping_v2: mappings = [], imageRef }: NewServer): Mappings {
  if (mappings.length === 0) throw badRequest(FROM_VOLUMES);
  checkBootOrder(mappings);
  const root = mappings.find((mapping) => bootIndexOf(mapping) === 0);
  if (root === undefined) throw badRequest('Invalid block device mapping: boot_index must be 0.');
  if (root.destination_type === 'local') throw badRequest(FROM_VOLUMES);
  if ((imageRef ?? '') !== '' && !(root.source_type === 'image' && root.uuid === imageRef)) {
    throw badRequest('imageRef names another image than the root volume is to be made from.');
  }
  checkVolumes(mappings);
  const data = mappings.filter((mapping) => mapping !== root);
  checkDevices(data);
  return { root, data };
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
