import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import type { Backend, CopyDisk, ImageContent } from '#storage-agent/backends/backend.ts';
import { createLvmBackend } from '#storage-agent/backends/lvm/backend.ts';
import { createLvmDoor } from '#storage-agent/backends/lvm/door.ts';
import { thick } from '#storage-agent/backends/lvm/provisioning.ts';
import { createShelf } from '#storage-agent/backends/lvm/shelf.ts';
import { openAll, openBackend } from '../opened.ts';

const GIB = 1024 ** 3;

/** Command line (without the report options) → what it prints, or how it fails. */
type Transcript = readonly (readonly [
  string,
  string | { readonly exitCode: number; readonly stderr: string },
])[];

const rows = (kind: string, ...list: Record<string, string>[]): string =>
  JSON.stringify({ report: [{ [kind]: list }] });

const PVS: Transcript[number] = [
  'pvs --config devices{scan_lvs=0} -o pv_name,vg_uuid -S vg_name=vg0',
  rows('pv', { pv_name: '/dev/sdb', vg_uuid: 'u1' }, { pv_name: '/dev/sdc', vg_uuid: 'u1' }),
];
const ONLY = '--devices /dev/sdb,/dev/sdc';

/** Plays a transcript: each command must be the next line. */
function play(transcript: Transcript): Runner & { readonly rest: () => number } {
  const left = [...transcript];
  return {
    rest: () => left.length,
    async run(program, args) {
      const line = `${program} ${args.join(' ')}`.replace(' --reportformat json --units b --nosuffix', '');
      const [expected, answer] = left.shift() ?? ['nothing more', ''];
      assert.equal(line, expected);
      if (typeof answer === 'string') return { exitCode: 0, stdout: answer, stderr: '' };
      throw new ProgramError({
        program,
        args,
        exitCode: answer.exitCode,
        signal: undefined,
        timedOut: false,
        code: undefined,
        stdout: '',
        stderr: answer.stderr,
      });
    },
  };
}

/**
 * A thin pool can't be made without a kernel that has device-mapper, so these transcripts stand for the real thing: the JSON's
 * shape and the failures' words are as recorded in fixtures/lvm, the pool's fields are written after lvs(8) and
 * lvmthin(7). The lab runs the same backend on a real pool.
 */
describe('lvm-thin backend, on transcripts', () => {
  const volume = randomUUID();
  const live = `volume-${volume}`;
  const other = randomUUID();
  const source = `volume-${other}`;
  const leaving = `deleting-${volume}`;
  const select = (...names: string[]): string =>
    `lvs ${ONLY} -o lv_name,lv_size,lv_tags,lv_attr,origin,origin_size,pool_lv,lv_active,vg_uuid,lv_uuid -O lv_time -S ${names
      .map((name) => `lv_name=${name}||origin=${name}`)
      .join('||')} vg0`;
  const lv = (name: string, gib: number, active = 'active', origin = '') => ({
    lv_name: name,
    lv_size: String(gib * GIB),
    lv_tags: 'blockyard',
    lv_active: active,
    origin,
  });
  const row = (name: string, gib: number, active = 'active'): string => rows('lv', lv(name, gib, active));
  const [filling, ready] = [`filling-${volume}`, `replacing-${volume}`];
  const gone = select(live, leaving, `copying-${volume}`, filling, ready);
  const snapshot = `_snapshot-${other}`;
  const REVERT: Transcript = [
    [`lvcreate ${ONLY} -y -n ${filling} --addtag blockyard -s -kn vg0/${snapshot}`, ''],
    [select(filling), row(filling, 1)],
    [`lvrename ${ONLY} vg0 ${filling} ${ready}`, ''],
    [`lvrename ${ONLY} vg0 ${live} ${leaving}`, ''],
    [`lvrename ${ONLY} vg0 ${ready} ${live}`, ''],
  ];
  const revert = (backend: Backend): Promise<void> =>
    backend.rewrite(volume, GIB, { kind: 'snapshot', snapshotId: other });
  const create = `lvcreate ${ONLY} -y -Wn -n ${live} --addtag blockyard -V ${GIB}b --thinpool thin vg0`;

  const SPACE = `lvs ${ONLY} -o lv_size,data_percent,metadata_percent,zero -S lv_name=thin vg0`;
  const ENOUGH = {
    lv_size: String(100 * GIB),
    data_percent: '25.00',
    metadata_percent: '50.00',
    zero: 'zero',
  };
  const TAGGED = `lvs ${ONLY} -o lv_name,lv_size,lv_tags,lv_attr,origin,origin_size,pool_lv,lv_active,vg_uuid,lv_uuid -O lv_time -S tags=blockyard-image vg0`;
  const cachedElsewhere = (name: string) => ({
    ...lv(name, 1),
    lv_tags: 'blockyard,blockyard-image,blockyard-image=d1',
    pool_lv: 'another',
  });
  const imageOf = (id: string): ImageContent => ({
    id,
    digest: 'd1',
    open: (_atMost, work) => work({ sizeBytes: GIB, dataBytes: GIB, writeTo: async () => undefined }),
  });

  const cases: [string, Transcript, (backend: Backend) => Promise<void>][] = [
    [
      'makes a volume with one command',
      [PVS, [create, '']],
      async (backend) => assert.equal(await backend.ensure(volume, GIB), GIB),
    ],
    [
      'finds the volume that an earlier run has made, and lets it grow',
      [
        PVS,
        [
          create,
          { exitCode: 5, stderr: `  Logical Volume "${live}" already exists in volume group "vg0"\n` },
        ],
        [select(live), row(live, 0.5)],
        [`lvextend ${ONLY} -y -L ${GIB}b vg0/${live}`, ''],
      ],
      async (backend) => assert.equal(await backend.ensure(volume, GIB), GIB),
    ],
    [
      'removes a volume: other name, discard, remove',
      [
        PVS,
        [gone, row(live, 1)],
        [`lvrename ${ONLY} vg0 ${live} ${leaving}`, ''],
        [`blkdiscard /dev/vg0/${leaving}`, ''],
        [`lvremove ${ONLY} -y vg0/${leaving}`, ''],
      ],
      (backend) => backend.absent(volume),
    ],
    [
      'goes on without discard where the disk has none',
      [
        PVS,
        [gone, row(leaving, 1, '')],
        [`lvchange ${ONLY} -ay -K vg0/${leaving}`, ''],
        [
          `blkdiscard /dev/vg0/${leaving}`,
          {
            exitCode: 1,
            stderr: `blkdiscard: /dev/vg0/${leaving}: BLKDISCARD ioctl failed: Operation not supported\n`,
          },
        ],
        [`lvremove ${ONLY} -y vg0/${leaving}`, ''],
      ],
      (backend) => backend.absent(volume),
    ],
    [
      'does not remove a volume that is still open',
      [
        PVS,
        [gone, row(leaving, 1)],
        [
          `blkdiscard /dev/vg0/${leaving}`,
          { exitCode: 1, stderr: `blkdiscard: cannot open /dev/vg0/${leaving}: Device or resource busy\n` },
        ],
      ],
      (backend) => assert.rejects(backend.absent(volume), { name: 'ProgramError', message: /busy/ }),
    ],
    [
      'makes a volume from another with one command once it has found that, and lets it grow',
      [
        PVS,
        [select(live, `filling-${volume}`, source), row(source, 1)],
        [`lvcreate ${ONLY} -y -n ${live} --addtag blockyard -s -kn vg0/${source}`, ''],
        [`lvextend ${ONLY} -y -L ${2 * GIB}b vg0/${live}`, ''],
      ],
      async (backend) =>
        assert.equal(
          await backend.ensure(volume, 2 * GIB, { kind: 'volume', volumeId: other, inUse: async () => true }),
          2 * GIB,
        ),
    ],
    [
      'does not fill a volume that exists',
      [PVS, [select(live, `filling-${volume}`, source), rows('lv', lv(live, 1), lv(source, 1))]],
      async (backend) =>
        assert.equal(
          await backend.ensure(volume, GIB, { kind: 'volume', volumeId: other, inUse: async () => true }),
          GIB,
        ),
    ],
    [
      'says not-found when the source of a volume is gone',
      [PVS, [select(live, `filling-${volume}`, `_snapshot-${other}`), rows('lv')]],
      (backend) =>
        assert.rejects(backend.ensure(volume, GIB, { kind: 'snapshot', snapshotId: other }), {
          code: 'not-found',
        }),
    ],
    [
      'makes a snapshot with one command, and leaves it inactive',
      [PVS, [`lvcreate ${ONLY} -y -n _snapshot-${other} --addtag blockyard -s vg0/${live}`, '']],
      (backend) => backend.snapshot(volume, other, async () => true),
    ],
    [
      'finds the snapshot that an earlier run has made',
      [
        PVS,
        [
          `lvcreate ${ONLY} -y -n _snapshot-${other} --addtag blockyard -s vg0/${live}`,
          {
            exitCode: 5,
            stderr: `  Logical Volume "_snapshot-${other}" already exists in volume group "vg0"\n`,
          },
        ],
      ],
      (backend) => backend.snapshot(volume, other, async () => true),
    ],
    [
      'removes a volume of which snapshots and clones were made',
      [
        PVS,
        [gone, rows('lv', lv(live, 1), lv(`_snapshot-${other}`, 1, '', live))],
        [`lvrename ${ONLY} vg0 ${live} ${leaving}`, ''],
        [`blkdiscard /dev/vg0/${leaving}`, ''],
        [`lvremove ${ONLY} -y vg0/${leaving}`, ''],
      ],
      (backend) => backend.absent(volume),
    ],
    [
      'reverts a volume: a snapshot of the snapshot takes its name, and what it was is left to be wiped',
      [
        PVS,
        [select(live, filling, ready, leaving), rows('lv', lv(live, 1), lv(snapshot, 1, '', live))],
        ...REVERT,
      ],
      revert,
    ],
    [
      'takes up a revert that was cut short between the two names',
      [
        PVS,
        [select(live, filling, ready, leaving), rows('lv', lv(leaving, 1), lv(ready, 1))],
        [`lvrename ${ONLY} vg0 ${ready} ${live}`, ''],
        [`blkdiscard /dev/vg0/${leaving}`, ''],
        [`lvremove ${ONLY} -y vg0/${leaving}`, ''],
        ...REVERT,
      ],
      revert,
    ],
    [
      'reverts nothing that is not there',
      [PVS, [select(live, filling, ready, leaving), rows('lv', lv(leaving, 1))]],
      (backend) => assert.rejects(revert(backend), { code: 'not-found' }),
    ],
    [
      'takes a snapshot of its volume, and of no other',
      [
        PVS,
        [select(snapshot), rows('lv')],
        [
          `lvs ${ONLY} -o lv_name,lv_size,lv_tags,lv_attr,origin,origin_size,pool_lv -O lv_time vg0`,
          rows('lv', {
            lv_name: 'theirs',
            lv_size: String(GIB),
            lv_tags: '',
            lv_attr: 'Vwi---tz-k',
            origin: 'volume-another',
            pool_lv: 'thin',
          }),
        ],
        [select(snapshot), rows('lv')],
        [
          `lvs ${ONLY} -o lv_name,lv_size,lv_tags,lv_attr,origin,origin_size,pool_lv -O lv_time vg0`,
          rows('lv', {
            lv_name: 'theirs',
            lv_size: String(GIB),
            lv_tags: '',
            lv_attr: 'Vwi-a-tz-k',
            origin: live,
            pool_lv: 'thin',
          }),
        ],
        [`lvchange ${ONLY} --addtag blockyard vg0/theirs`, ''],
        [`lvrename ${ONLY} vg0 theirs ${snapshot}`, ''],
      ],
      async (backend) => {
        await assert.rejects(backend.adoptSnapshot(volume, other, 'theirs', GIB), {
          code: 'refused',
          message: /no snapshot of/,
        });
        await backend.adoptSnapshot(volume, other, 'theirs', GIB);
      },
    ],
    [
      'lets an image be that another pool of its group keeps, or is being given',
      [
        PVS,
        [select(live, filling), rows('lv')],
        [select(`image-${other}`), rows('lv', cachedElsewhere(`image-${other}`))],
        [SPACE, rows('lv', ENOUGH)],
        [
          select(`image-${other}`, `imagefilling-${other}`, `imagedeleting-${other}`),
          rows('lv', cachedElsewhere(`image-${other}`), cachedElsewhere(`imagefilling-${other}`)),
        ],
        [create.replace(live, filling), ''],
        [`lvrename ${ONLY} vg0 ${filling} ${live}`, ''],
      ],
      async (backend) =>
        assert.equal(await backend.ensure(volume, GIB, { kind: 'image', image: imageOf(other) }), GIB),
    ],
    [
      'makes room by none of another pool’s images',
      [
        PVS,
        [select(live, filling), rows('lv')],
        [select(`image-${other}`), rows('lv')],
        [SPACE, rows('lv', { ...ENOUGH, data_percent: '100.00' })],
        [TAGGED, rows('lv', cachedElsewhere(`image-${randomUUID()}`))],
      ],
      (backend) =>
        assert.rejects(backend.ensure(volume, GIB, { kind: 'image', image: imageOf(other) }), {
          code: 'refused',
          message: /no space/,
        }),
    ],
    [
      'makes an inactive volume ready',
      [PVS, [select(live), row(live, 1, '')], [`lvchange ${ONLY} -ay -K vg0/${live}`, '']],
      async (backend) => assert.equal(await backend.activate(volume), true),
    ],
    [
      'counts a pool as full as the fuller of its data and metadata',
      [PVS, [SPACE, rows('lv', ENOUGH)]],
      async (backend) => assert.deepEqual(await backend.capacity(), { totalGib: 100, freeGib: 50 }),
    ],
    [
      'has nothing to offer from a pool that does not zero',
      [
        PVS,
        [
          SPACE,
          rows('lv', { lv_size: String(GIB), data_percent: '1.00', metadata_percent: '1.00', zero: '' }),
        ],
      ],
      (backend) => assert.rejects(backend.capacity(), /does not zero/),
    ],
    [
      'refuses when two groups have its name',
      [[PVS[0], rows('pv', { pv_name: '/dev/sdb', vg_uuid: 'u1' }, { pv_name: '/dev/sdx', vg_uuid: 'u2' })]],
      (backend) =>
        assert.rejects(backend.ensure(volume, GIB), { code: 'refused', message: /two volume groups/ }),
    ],
  ];

  for (const [what, transcript, work] of cases)
    it(what, async () => {
      const runner = play(transcript);
      await work(await openBackend('lvm-thin:name=a,vg=vg0,pool=thin', runner));
      assert.equal(runner.rest(), 0);
    });

  it('writes an image once for all back ends of its pool, and keeps no more than the smallest of their limits', async () => {
    const [second, old] = [randomUUID(), randomUUID()];
    const [image, imageFilling, leavingOld] = [
      `image-${other}`,
      `imagefilling-${other}`,
      `imagedeleting-${old}`,
    ];
    const cached = (id: string) => ({
      ...lv(`image-${id}`, 1),
      lv_tags: 'blockyard,blockyard-image',
      pool_lv: 'thin',
    });
    const tags = '--addtag blockyard --addtag blockyard-image --addtag blockyard-image=d1';
    const runner = play([
      PVS,
      [select(live, filling), rows('lv')],
      [select(image), rows('lv')],
      [SPACE, rows('lv', ENOUGH)],
      [select(image, imageFilling, `imagedeleting-${other}`), rows('lv')],
      [create.replace(live, imageFilling).replace('--addtag blockyard', tags), ''],
      [`lvrename ${ONLY} vg0 ${imageFilling} ${image}`, ''],
      [TAGGED, rows('lv', cached(old), cached(other))],
      [TAGGED, rows('lv', cached(old), cached(other))],
      [select(`image-${old}`), rows('lv', cached(old))],
      [`lvrename ${ONLY} vg0 image-${old} ${leavingOld}`, ''],
      [`blkdiscard /dev/vg0/${leavingOld}`, ''],
      [`lvremove ${ONLY} -y vg0/${leavingOld}`, ''],
      [TAGGED, rows('lv', cached(other))],
      [`lvcreate ${ONLY} -y -n ${live} --addtag blockyard -s -kn vg0/${image}`, ''],
      PVS,
      [`lvcreate ${ONLY} -y -n volume-${second} --addtag blockyard -s -kn vg0/${image}`, ''],
    ]);
    const pool = 'vg=vg0,pool=thin';
    const [a, b] = await openAll(
      `lvm-thin:name=a,${pool};lvm-thin:name=b,${pool},image_cache_count=1`,
      runner,
    );
    await Promise.all([
      a?.ensure(volume, GIB, { kind: 'image', image: imageOf(other) }),
      b?.ensure(second, GIB, { kind: 'image', image: imageOf(other) }),
    ]);
    assert.equal(runner.rest(), 0);
  });

  const thickOn = (runner: Runner, copyDisk: CopyDisk): Backend => {
    const door = createLvmDoor(runner, 'vg0');
    const provisioning = thick(door);
    return createLvmBackend({ shelf: createShelf(door, provisioning), provisioning, copyDisk, cache: null });
  };

  it('(thick) removes a volume with what a copy of it that was cut short has left', async () => {
    const copying = `copying-${volume}`;
    const gives = (name: string): Transcript => [
      [`blkdiscard -z /dev/vg0/${name}`, ''],
      [`lvremove ${ONLY} -y vg0/${name}`, ''],
    ];
    const runner = play([
      PVS,
      [
        gone,
        rows(
          'lv',
          { ...lv(live, 1), lv_attr: 'owi-a-s---' },
          { ...lv(copying, 1, 'active', live), lv_attr: 'swi-a-s---', origin_size: String(GIB) },
        ),
      ],
      [`lvconvert ${ONLY} -y --splitsnapshot vg0/${copying}`, ''],
      [`lvchange ${ONLY} -ay -K vg0/${copying}`, ''],
      ...gives(copying),
      [`lvrename ${ONLY} vg0 ${live} ${leaving}`, ''],
      ...gives(leaving),
    ]);
    await thickOn(runner, () => assert.fail('nothing is copied')).absent(volume);
    assert.equal(runner.rest(), 0);
  });

  it('(thick) copies a snapshot over its volume, whose name it needs itself', async () => {
    const runner = play([
      PVS,
      [select(live, filling, ready, leaving), rows('lv', lv(live, 1), lv(snapshot, 1, '', live))],
      [select(snapshot), rows('lv', lv(snapshot, 1, '', live))],
      [`lvchange ${ONLY} -ay -K vg0/${snapshot}`, ''],
      [select(live), row(live, 1)],
    ]);
    const copied: unknown[] = [];
    await revert(thickOn(runner, async (...args) => void copied.push(args)));
    assert.equal(runner.rest(), 0);
    assert.deepEqual(copied, [
      [`/dev/vg0/${snapshot}`, `/dev/vg0/${live}`, { sizeBytes: GIB, zeroed: false }],
    ]);
  });
});
