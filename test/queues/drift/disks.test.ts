import assert from 'node:assert/strict';
import { compareCompute } from '#queues/drift/compute.ts';
import type { Rows } from '#queues/drift/rows.ts';
import type { ComputeInventory, DiskItem } from '#schema/inventory.ts';

const VOLUME = '11111111-1111-4111-8111-111111111111';
const SERVER = '22222222-2222-4222-8222-222222222222';

function rows(mode: 'rw' | 'ro', encrypted = false): Rows {
  const attachment = {
    id: 'attachment',
    volume_id: VOLUME,
    server_id: SERVER,
    status: 'attached',
    host: 'comp1',
    managed: 1,
    mountpoint: '/dev/vdb',
    mode,
  };
  return {
    volumes: new Map([[VOLUME, { id: VOLUME, size_gib: 1, qos_consumer: null, qos_specs: null }]]),
    attachments: [attachment],
    attached: new Map([[VOLUME, [attachment]]]),
    servers: new Map(),
    keyed: encrypted ? [{ what: 'volume', id: VOLUME, key: 'key' }] : [],
    evictions: [],
    operations: new Map(),
  } as unknown as Rows;
}

/** One domain with the volume. @param readOnly in the running guest, and in its definition */
function found(...readOnly: readonly [boolean, boolean]): ComputeInventory {
  const disk = (only: boolean): DiskItem => ({
    volumeId: VOLUME,
    target: 'vdb',
    serial: VOLUME,
    alias: `ua-${VOLUME}`,
    source: null,
    sourceVolumeId: null,
    readOnly: only,
    iotune: {},
  });
  const [live, config] = readOnly.map((only) => [disk(only)]) as [DiskItem[], DiskItem[]];
  return { domains: [{ id: SERVER, name: 'web', live, config }], secrets: [], connections: [] };
}

/** As `found`, with what is told of the disk in the running guest, and in its definition. */
function opened(live: Partial<DiskItem>, config: Partial<DiskItem>): ComputeInventory {
  const inventory = found(false, false);
  const domains = inventory.domains?.map((domain) => ({
    ...domain,
    live: domain.live?.map((disk) => ({ ...disk, ...live })) ?? null,
    config: domain.config?.map((disk) => ({ ...disk, ...config })) ?? null,
  }));
  return { ...inventory, domains: domains ?? null };
}

const GIB = 1024 ** 3;
const NETWORK = { encryption: null, cache: 'none', io: null, discard: null };

describe('drift of disks', () => {
  const differences = (rows: Rows, inventory: ComputeInventory) =>
    compareCompute(rows, 'comp1', { answered: new Map([['comp1', inventory]]), silent: new Set() });
  const told = (mode: 'rw' | 'ro', inventory: ComputeInventory, encrypted = false) =>
    differences(rows(mode, encrypted), inventory).map(({ kind, found: what, care }) => [kind, what, care]);

  it('tells of a guest that may write where it should only read, and the other way round', () => {
    assert.deepEqual(told('rw', found(false, false)), []);
    assert.deepEqual(told('ro', found(true, true)), []);
    assert.deepEqual(told('ro', found(true, false)), [
      ['disk-mode', 'in its definition it is to be written too', 'none'],
    ]);
    assert.deepEqual(told('ro', found(false, false)), [
      ['disk-mode', 'in the running guest and its definition it is to be written too', 'none'],
    ]);
    assert.deepEqual(told('rw', found(true, false)), [
      ['disk-mode', 'in the running guest it is read-only', 'none'],
    ]);
  });

  it('tells of a guest that does not decrypt what is encrypted, or the other way round', () => {
    const luks = { opening: { ...NETWORK, encryption: 'luks' } };
    const plain = { opening: NETWORK };
    assert.deepEqual(told('rw', opened(luks, luks), true), []);
    assert.deepEqual(told('rw', opened(plain, plain)), []);
    assert.deepEqual(told('rw', opened({}, {}), true), [], 'of an agent that does not say');
    assert.deepEqual(told('rw', opened(luks, plain), true), [
      ['disk-encryption', 'in its definition it is not decrypted', 'none'],
    ]);
    assert.deepEqual(told('rw', opened(luks, luks)), [
      [
        'disk-encryption',
        'in the running guest it is opened as luks; in its definition it is opened as luks',
        'none',
      ],
    ]);
  });

  it('tells of a cache, an io or discards that are not as written, and what helps', () => {
    const [network, block] = [
      { opening: NETWORK },
      { opening: { ...NETWORK, io: 'native', discard: 'unmap' } },
    ];
    const cached = { opening: { ...NETWORK, cache: 'writeback', discard: 'unmap' } };
    const repairs = (inventory: ComputeInventory) =>
      differences(rows('rw'), inventory).map(({ found: what, repair }) => [what, repair]);
    assert.deepEqual(repairs(opened(cached, network)), [
      [
        'in the running guest its cache is writeback, not none and its discard is unmap, not QEMU’s choice',
        'Stop the server and start it: its definition is right.',
      ],
    ]);
    assert.deepEqual(
      repairs(opened(network, { opening: { ...NETWORK, cache: null } })).map(([, repair]) => repair),
      ['Detach the volume and attach it again.'],
    );
    assert.deepEqual(repairs(opened(block, block)).length, 1, 'io is native of devices only');
  });

  it('tells of a guest that takes its disk for smaller than it is, less a header', () => {
    assert.deepEqual(told('rw', opened({ sizeBytes: GIB }, {})), []);
    assert.deepEqual(told('rw', opened({ sizeBytes: GIB - 2 ** 21 }, {}), true), []);
    const [smaller] = differences(rows('rw'), opened({ sizeBytes: GIB - 512 }, {}));
    assert.deepEqual([smaller?.kind, smaller?.care, smaller?.action?.do], ['disk-smaller', 'safe', 'resize']);
  });
});
