import assert from 'node:assert/strict';
import { compareExports } from '#queues/drift/exports.ts';
import type { Rows } from '#queues/drift/rows.ts';
import type { StorageInventory } from '#schema/inventory.ts';

const VOLUME = '11111111-1111-4111-8111-111111111111';
const [FIRST, SECOND] = ['iqn.2010-10.org.example:first', 'iqn.2010-10.org.example:second'];

/** Two hosts have been given an account; the volume may have one writer, or several. */
function rows(multiattach: 0 | 1): Rows {
  const attachment = (initiator: string, createdAt: string) => ({
    id: `attachment ${createdAt}`,
    volume_id: VOLUME,
    status: 'attaching',
    initiator,
    exported: 1,
    created_at: createdAt,
  });
  const attachments = [attachment(SECOND, '2026-01-02'), attachment(FIRST, '2026-01-01')];
  return {
    volumes: new Map([[VOLUME, { id: VOLUME, pool: 'stor1@files#files', multiattach }]]),
    attached: new Map([[VOLUME, attachments]]),
    services: [],
    operations: new Map(),
  } as unknown as Rows;
}

function found(initiators: string[]): StorageInventory {
  return {
    bootId: 'boot',
    backends: [],
    exportsError: null,
    exports: [
      {
        volumeId: VOLUME,
        iqn: `iqn.2010-10.org.blockyard:volume-${VOLUME}`,
        path: `/volumes/volume-${VOLUME}`,
        lun: 1,
        serial: VOLUME,
        initiators,
        sessions: [],
      },
    ],
  };
}

describe('drift of exports', () => {
  const kinds = (multiattach: 0 | 1, initiators: string[]): string[] =>
    compareExports(rows(multiattach), 'stor1', found(initiators), new Set()).map(({ kind }) => kind);

  it('knows whose turn it is: the host that a volume is moving to is not to be let in yet', () => {
    assert.deepEqual(kinds(0, [FIRST]), []);
    assert.deepEqual(kinds(0, [FIRST, SECOND]), ['acl-extra']);
    assert.deepEqual(kinds(0, [SECOND]), ['acl-extra', 'acl-missing']);
  });
  it('wants all in where several may write', () => {
    assert.deepEqual(kinds(1, [FIRST, SECOND]), []);
    assert.deepEqual(kinds(1, [FIRST]), ['acl-missing']);
  });
});
