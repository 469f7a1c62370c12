import assert from 'node:assert/strict';
import { compareCompute } from '#queues/drift/compute.ts';
import type { Rows } from '#queues/drift/rows.ts';
import type { ComputeInventory, DiskItem } from '#schema/inventory.ts';

const VOLUME = '11111111-1111-4111-8111-111111111111';
const SERVER = '22222222-2222-4222-8222-222222222222';

function rows(mode: 'rw' | 'ro'): Rows {
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

describe('drift of disks', () => {
  const told = (mode: 'rw' | 'ro', inventory: ComputeInventory) =>
    compareCompute(rows(mode), 'comp1', {
      answered: new Map([['comp1', inventory]]),
      silent: new Set(),
    }).map(({ kind, found: what, care }) => [kind, what, care]);

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
});
