import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { parseConnections, parseTargets, shownMegabytes } from '#storage-agent/targets/tgt/show.ts';

const fixture = (name: string): Promise<string> =>
  readFile(new URL(`../../../fixtures/tgt/${name}.txt`, import.meta.url), 'utf8');

const VOLUME = '0f5a9a2e-7a3c-4b3d-9e58-0123456789ab';

describe('what tgtd shows', () => {
  it('is read field by field', async () => {
    const [foreign, ours, ...rest] = parseTargets(await fixture('targets'));
    assert.deepEqual(rest, []);
    assert.deepEqual(
      { ...foreign, luns: foreign?.luns.map(({ lun }) => lun) },
      {
        tid: 3,
        name: 'iqn.2001-04.com.example:foreign',
        ready: false,
        sessions: [],
        luns: [0, 1, 2],
        accounts: ['fin'],
        initiators: ['ALL', '192.0.2.0/24'],
      },
    );
    assert.deepEqual(
      { ...ours, luns: ours?.luns.slice(1) },
      {
        tid: 4242,
        name: `iqn.2010-10.org.blockyard:volume-${VOLUME}`,
        ready: true,
        sessions: [1],
        luns: [
          {
            lun: 1,
            scsiId: VOLUME.replaceAll('-', ''),
            scsiSn: VOLUME,
            megabytes: 1_074,
            online: true,
            thin: true,
            path: '/srv/volumes/volume-a',
          },
        ],
        accounts: ['guard', 'one', 'two'],
        initiators: ['iqn.2010-10.org.blockyard:host:a', 'iqn.2010-10.org.blockyard:host:b'],
      },
    );
  });

  it('is empty when there are no targets', () => {
    assert.deepEqual(parseTargets(''), []);
    assert.deepEqual(parseConnections(''), []);
  });

  it('lists connections', async () => {
    assert.deepEqual(parseConnections(await fixture('connections')), [
      { sid: 1, cid: 0, initiator: 'iqn.2010-10.org.blockyard:host:a' },
    ]);
  });

  it('is not believed when an initiator’s alias poses as a target', async () => {
    const text = await fixture('targets');
    const posing = text.replace('alias: none', 'alias: x\nTarget 3: iqn.2010-10.org.blockyard:volume-z');
    assert.notEqual(posing, text);
    assert.throws(() => parseTargets(posing), /not in order/);
  });

  it('rounds sizes as tgtd does', () => {
    // Recorded: 1 GiB and 64 MiB.
    assert.equal(shownMegabytes(1024 ** 3), 1_074);
    assert.equal(shownMegabytes(64 * 1024 ** 2), 67);
    assert.notEqual(shownMegabytes(100_000 * 1024 ** 3), shownMegabytes(100_001 * 1024 ** 3));
  });
});
