import * as fc from 'fast-check';
import type { Route } from '#api/http/route.ts';
import { bodyOf } from '../../security/support/bodies.ts';
import type { Kit } from '../../security/support/kit.ts';
import { ALL_TARGETS } from '../../security/support/surface.ts';
import { OTHER_PROJECT, PROJECT } from '../api.ts';
import { json, mostly, text, word } from './values.ts';

const name = mostly(9, fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }), json);
const number = mostly(9, fc.constantFrom<unknown>(2, '3', 5), json);
const flag = mostly(6, fc.constantFrom<unknown>(true, 'False', 'on'), json);
const volumeId = mostly(9, fc.constantFrom<unknown>('@volume0', '@volume1', '@volume2', '@foreign'), json);
const map = mostly(
  8,
  fc.dictionary(fc.constantFrom('key', 'colour', 'toString', 'a b:c'), fc.string({ maxLength: 9 }), {
    maxKeys: 4,
  }),
  fc.dictionary(fc.oneof(word, text), json, { maxKeys: 4 }),
) as fc.Arbitrary<unknown>;

/** What is there, or nothing at all. */
const typeName = mostly(6, fc.constantFrom<unknown>('@type', null), name);
const zone = mostly(6, fc.constantFrom<unknown>('nova', null), name);

function some(fields: Record<string, fc.Arbitrary<unknown>>, ...required: string[]): fc.Arbitrary<unknown> {
  return fc.record(fields, { requiredKeys: required });
}

const volumeFields = { name, description: name, metadata: map };
const service = some(
  {
    host: fc.constantFrom<unknown>('comp1', 'x'),
    binary: mostly(4, fc.constant<unknown>('blockyard-compute'), name),
    service: name,
    disabled_reason: name,
  },
  'host',
);

const disk = (index: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  some(
    {
      boot_index: mostly(9, index, json),
      source_type: mostly(9, fc.constantFrom<unknown>('volume', 'image', 'snapshot', 'blank'), json),
      destination_type: mostly(9, fc.constant<unknown>('volume'), json),
      uuid: mostly(3, volumeId, fc.constantFrom<unknown>('@image1', '@snapshot0', null)),
      volume_size: number,
      delete_on_termination: flag,
      device_name: mostly(6, fc.constantFrom<unknown>('/dev/vdb', 'vdc', null), name),
    },
    'boot_index',
    'source_type',
    'destination_type',
    'uuid',
  );
const disks = fc
  .tuple(
    disk(fc.constantFrom<unknown>(0, '0')),
    fc.array(disk(fc.constantFrom<unknown>(-1, null, 1)), { maxLength: 2 }),
  )
  .map(([root, others]): unknown[] => [root, ...others]);

const managed = some(
  {
    ...volumeFields,
    host: mostly(6, fc.constant<unknown>('stor1@files#files'), name),
    ref: mostly(6, fc.record<Record<string, unknown>>({ 'source-name': name }), json),
    volume_type: typeName,
    bootable: flag,
  },
  'host',
  'ref',
);

/** Bodies near to right, by what they are sent to. Without agents an export is waited for: no good connector. */
const LIKELY: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  'POST /volumes': fc.record({
    volume: some(
      {
        ...volumeFields,
        size: number,
        volume_type: typeName,
        availability_zone: zone,
        multiattach: mostly(6, fc.constant<unknown>(false), flag),
        snapshot_id: mostly(4, fc.constantFrom<unknown>(null, '@snapshot0', '@foreignsnapshot'), json),
        source_volid: mostly(4, fc.constantFrom<unknown>(null, '@volume0', '@foreign'), json),
        imageRef: mostly(4, fc.constantFrom<unknown>(null, '@image1', '@foreignimage'), json),
      },
      'size',
    ),
  }),
  'os-set_image_metadata': fc.record({ 'os-set_image_metadata': fc.record({ metadata: map }) }),
  'os-unset_image_metadata': fc.record({ 'os-unset_image_metadata': fc.record({ key: name }) }),
  'os-show_image_metadata': fc.constant({ 'os-show_image_metadata': null }),
  'os-set_bootable': fc.record({ 'os-set_bootable': fc.record({ bootable: flag }) }),
  'os-volume_upload_image': fc.record({
    'os-volume_upload_image': some(
      {
        image_name: name,
        force: flag,
        disk_format: mostly(4, fc.constantFrom<unknown>('raw', 'qcow2'), json),
        visibility: mostly(4, fc.constantFrom<unknown>('private', 'public'), json),
      },
      'image_name',
    ),
  }),
  'POST /snapshots': fc.record({
    snapshot: some({ ...volumeFields, volume_id: volumeId, force: flag }, 'volume_id'),
  }),
  'PUT /snapshots/{id}': fc.record({ snapshot: some({ name, description: name }) }),
  'POST /snapshots/{id}/metadata': fc.record({ metadata: map }),
  'PUT /snapshots/{id}/metadata': fc.record({ metadata: map }),
  'PUT /snapshots/{id}/metadata/{key}': fc.record({ meta: some({ key: name, other: name }, 'key') }),
  'POST /images': some({
    name,
    visibility: mostly(4, fc.constantFrom<unknown>('private', 'public', 'community'), json),
    disk_format: mostly(4, fc.constantFrom<unknown>('raw', 'qcow2'), json),
    min_disk: number,
    tags: fc.array(name, { maxLength: 3 }),
    key: name,
    protected: flag,
  }),
  'POST /images/{id}/members': some(
    { member: mostly(4, fc.constantFrom<unknown>(PROJECT, OTHER_PROJECT), json) },
    'member',
  ),
  'PUT /images/{id}/members/{member_id}': some(
    { status: mostly(4, fc.constantFrom<unknown>('accepted', 'rejected', 'pending'), json) },
    'status',
  ),
  'PATCH /images/{id}': fc.array(
    some(
      {
        op: mostly(9, fc.constantFrom<unknown>('add', 'replace', 'remove'), name),
        path: mostly(
          9,
          fc.constantFrom<unknown>('/name', '/key', '/visibility', '/tags', '/status', '/other', '/owner'),
          text,
        ),
        value: mostly(4, name, json),
      },
      'op',
      'path',
    ),
    { maxLength: 3 },
  ),
  'PUT /volumes/{id}': fc.record({ volume: some({ ...volumeFields, display_name: name }) }),
  'os-extend': fc.record({ 'os-extend': some({ new_size: number }, 'new_size') }),
  'os-reset_status': fc.record({
    'os-reset_status': some({
      status: mostly(3, fc.constantFrom<unknown>('available', 'error', 'in-use', 'maintenance'), json),
      attach_status: mostly(3, fc.constantFrom<unknown>('detached', 'attached', null), json),
    }),
  }),
  'os-force_delete': fc.constant({ 'os-force_delete': {} }),
  'os-force_detach': fc.record({
    'os-force_detach': some({
      attachment_id: mostly(6, fc.constantFrom<unknown>('@attachment', null), name),
    }),
  }),
  'os-attach': fc.record({
    'os-attach': some(
      {
        host_name: name,
        instance_uuid: mostly(6, fc.constantFrom<unknown>('@server', '@own'), name),
        mountpoint: name,
        mode: mostly(6, fc.constantFrom<unknown>('ro', 'rw'), name),
      },
      'mountpoint',
    ),
  }),
  'os-detach': fc.record({
    'os-detach': some({
      attachment_id: mostly(6, fc.constantFrom<unknown>('@attachment', null), name),
    }),
  }),
  'os-reserve': fc.constant({ 'os-reserve': null }),
  'os-unreserve': fc.constant({ 'os-unreserve': {} }),
  'os-begin_detaching': fc.constant({ 'os-begin_detaching': null }),
  'os-roll_detaching': fc.constant({ 'os-roll_detaching': null }),
  'os-initialize_connection': fc.record({
    'os-initialize_connection': fc.record({
      connector: some({ host: name, initiator: fc.constantFrom<unknown>('x', 5, null) }),
    }),
  }),
  'os-terminate_connection': fc.record({
    'os-terminate_connection': fc.record({
      connector: fc.oneof(some({ host: name, initiator: name }), fc.constantFrom<unknown>(null, 'x')),
    }),
  }),
  'os-update_readonly_flag': fc.record({ 'os-update_readonly_flag': fc.record({ readonly: flag }) }),
  'os-extend_volume_completion': fc.record({
    'os-extend_volume_completion': some({ error: flag }),
  }),
  'os-update_snapshot_status': fc.record({
    'os-update_snapshot_status': some(
      {
        status: mostly(3, fc.constantFrom<unknown>('creating', 'available', 'error'), name),
        progress: mostly(3, fc.constantFrom<unknown>('80%', '101%', ''), name),
      },
      'status',
    ),
  }),
  'os-unmanage': fc.record({ 'os-unmanage': fc.constantFrom({}, null) }),
  'POST /manageable_volumes': fc.record({ volume: managed }),
  'POST /os-volume-manage': fc.record({ volume: managed }),
  'POST /drift/repair': some({ item: name, delete_data: flag }, 'item'),
  'os-complete': fc.constant({ 'os-complete': null }),
  'POST /volumes/{id}/metadata': fc.record({ metadata: map }),
  'PUT /volumes/{id}/metadata': fc.record({ metadata: map }),
  'PUT /volumes/{id}/metadata/{key}': fc.record({ meta: some({ key: name, other: name }, 'key') }),
  'POST /attachments': fc.record({
    attachment: some(
      {
        volume_uuid: volumeId,
        instance_uuid: volumeId,
        mode: mostly(6, fc.constantFrom<unknown>('ro', 'rw'), name),
      },
      'volume_uuid',
    ),
  }),
  'PUT /attachments/{id}': fc.record({
    attachment: fc.record({
      connector: some({ host: name, initiator: fc.constantFrom<unknown>('x', 5, null) }),
    }),
  }),
  'POST /types': fc.record({
    volume_type: some(
      { name, description: name, extra_specs: map, 'os-volume-type-access:is_public': flag },
      'name',
    ),
  }),
  'PUT /types/{id}': fc.record({ volume_type: some({ name, description: name, is_public: flag }) }),
  'POST /types/{type_id}/extra_specs': fc.record({ extra_specs: map }),
  'PUT /types/{type_id}/extra_specs/{key}': some({ key: name, other: name }, 'key'),
  'POST /qos-specs': fc.record({
    qos_specs: some(
      {
        name,
        consumer: mostly(6, fc.constantFrom<unknown>('both', 'front-end'), name),
        total_iops_sec: number,
        read_iops_sec: number,
      },
      'name',
    ),
  }),
  'PUT /qos-specs/{id}': fc.record({
    qos_specs: some({
      total_iops_sec: number,
      write_bytes_sec: number,
      size_iops_sec: number,
      anything: name,
    }),
  }),
  'PUT /qos-specs/{id}/delete_keys': fc.record({
    keys: fc.array(mostly(3, fc.constant<unknown>('read_iops_sec'), fc.oneof(word, json)), { maxLength: 3 }),
  }),
  'PUT /os-services/enable': service,
  'PUT /os-services/disable': service,
  'PUT /os-services/disable-log-reason': service,
  'POST /servers': fc.record({
    server: some(
      {
        name,
        flavorRef: mostly(9, fc.constantFrom<unknown>('1', '@flavor'), name),
        imageRef: mostly(6, fc.constantFrom<unknown>('', null), name),
        availability_zone: zone,
        metadata: map,
        networks: mostly(6, fc.constantFrom<unknown>('none', 'auto', []), json),
        block_device_mapping_v2: mostly(9, disks as fc.Arbitrary<unknown>, json),
      },
      'name',
      'flavorRef',
      'block_device_mapping_v2',
    ),
  }),
  'PUT /servers/{id}': fc.record({ server: some({ name }, 'name') }),
  'os-start': fc.constant({ 'os-start': null }),
  'os-stop': fc.constant({ 'os-stop': {} }),
  reboot: fc.record({
    reboot: some({ type: mostly(6, fc.constantFrom<unknown>('SOFT', 'hard'), name) }, 'type'),
  }),
  'os-getConsoleOutput': fc.record({ 'os-getConsoleOutput': some({ length: number }) }),
  'POST /flavors': fc.record({
    flavor: some(
      {
        name,
        id: mostly(4, fc.constantFrom<unknown>('auto', null), name),
        vcpus: number,
        ram: number,
        disk: number,
      },
      'name',
      'vcpus',
      'ram',
      'disk',
    ),
  }),
  'POST /flavors/{id}/os-extra_specs': fc.record({ extra_specs: map }),
  'POST /servers/{server_id}/os-volume_attachments': fc.record({
    volumeAttachment: some(
      {
        volumeId,
        device: mostly(6, fc.constantFrom<unknown>('/dev/vdc', null), name),
        tag: mostly(6, fc.constant<unknown>(undefined), name),
      },
      'volumeId',
    ),
  }),
};

/** The body that the security tests have for the route, of what the seed has put there. */
function goodBody(route: Route): unknown {
  const target = ALL_TARGETS.find((each) => each.route === route);
  if (target === undefined) throw new Error(`no body for ${route.method} ${route.path}`);
  const own = new Proxy({} as Kit, { get: (_, noun) => MARKS[String(noun)] ?? `@${String(noun)}` });
  return bodyOf(target, own);
}

/** Kinds of which the seed has several. */
const MARKS: Readonly<Record<string, string>> = {
  volume: '@volume0',
  snapshot: '@snapshot0',
  image: '@image0',
};

/** That value, or it with one part of it replaced. */
function nearTo(good: unknown): fc.Arbitrary<unknown> {
  if (typeof good !== 'object' || good === null) return mostly(6, fc.constant(good), json);
  const keys = Object.keys(good);
  if (keys.length === 0) return mostly(6, fc.constant(good), json);
  const changed = fc
    .constantFrom(...keys)
    .chain((key) =>
      nearTo((good as Readonly<Record<string, unknown>>)[key]).map((value) => ({ ...good, [key]: value })),
    );
  return fc.oneof({ weight: 2, arbitrary: fc.constant(good) }, { weight: 3, arbitrary: changed });
}

/** The text of a body for this route; null when it takes none. */
export function bodyFor(route: Route): fc.Arbitrary<string | null> {
  if (route.body === undefined) return fc.constant(null);
  const likely = LIKELY[route.action ?? `${route.method} ${route.path}`] ?? nearTo(goodBody(route));
  const extended = fc
    .tuple(likely, word, json)
    .map(([right, key, value]) => ({ ...(right as object), [key]: value }));
  return fc.oneof(
    { weight: 8, arbitrary: likely.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: extended.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: json.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
    { weight: 1, arbitrary: fc.constantFrom('['.repeat(50_000), '{"a":'.repeat(9_000), 'x'.repeat(120_000)) },
  );
}
