import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { HEAD_BYTES, imageProblem, inspectImage } from '#images/inspect.ts';
import { type HostileFile, headOf, makeHostileFiles, qemuImg } from './files.ts';

const MIB = 1024 ** 2;

describe('inspectImage', function () {
  this.timeout(60_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'by-inspect-'));
  });
  after(() => rm(folder, { recursive: true }));

  const good: [string, string, ...string[]][] = [
    ['qcow2', 'qcow2'],
    ['qcow2', 'qcow2', '-o', 'compat=0.10'],
    ['qcow2', 'qcow2', '-o', 'cluster_size=512'],
    ['qcow2', 'qcow2', '-o', 'cluster_size=2M'],
    ['qcow2', 'qcow2', '-o', 'extended_l2=on,compression_type=zstd,lazy_refcounts=on'],
    ['vmdk', 'vmdk'],
    ['vmdk', 'vmdk', '-o', 'subformat=streamOptimized'],
    ['vhdx', 'vhdx'],
    ['vhdx', 'vhdx', '-o', 'subformat=fixed'],
    ['vhdx', 'vhdx', '-o', 'block_size=1M'],
  ];
  for (const [format, ...options] of good)
    it(`takes what qemu-img makes: ${options.join(' ')}`, async () => {
      const path = join(folder, 'good');
      await qemuImg('create', '-q', '-f', ...options, path, String(10 * MIB));
      assert.deepEqual(inspectImage(await headOf(path)), {
        format,
        virtualSizeBytes: 10 * MIB,
        problem: null,
      });
      await rm(path);
    });

  it('takes a qcow2 and a VMDK that hold a disc and a partitioned disk', async () => {
    const raw = Buffer.alloc(4 * MIB, 'x');
    raw.write('\x55\xaa', 510, 'latin1');
    raw.write('EFI PART', 512, 'latin1');
    for (let at = 0; at + 0x8001 < raw.length; at += 512) raw.write('CD001', at + 1, 'latin1');
    await writeFile(join(folder, 'disc'), raw);
    for (const options of [
      ['qcow2', '-o', 'cluster_size=512'],
      ['qcow2', '-c'],
      ['vmdk'],
      ['vmdk', '-o', 'subformat=streamOptimized'],
      ['vhdx'],
    ]) {
      const path = join(folder, 'packed');
      await qemuImg('convert', '-q', '-f', 'raw', '-O', ...options, join(folder, 'disc'), path);
      assert.equal(inspectImage(await headOf(path)).problem, null, options.join(' '));
      await rm(path);
    }
    assert.deepEqual(inspectImage(raw), { format: 'raw', virtualSizeBytes: null, problem: null });
  });

  it('refuses one of each hostile kind, and says why', async () => {
    const files = await makeHostileFiles(folder);
    for (const { name, path, declared, message } of files)
      assert.match(imageProblem(await headOf(path), declared) ?? 'accepted', message, name);
  });

  it('takes a file whose declared format is its own', async () => {
    assert.equal(imageProblem(Buffer.from('any data'), 'raw'), null);
    assert.equal(imageProblem(await headOf(join(folder, 'plain.qcow2')), 'qcow2'), null);
  });

  describe('on damaged headers', () => {
    /** Where headers lie, and values that mean something there. */
    const offset = fc.oneof(
      { weight: 6, arbitrary: fc.nat(128) },
      { weight: 2, arbitrary: fc.nat(4096) },
      fc.integer({ min: 192 * 1024, max: 192 * 1024 + 96 }),
      fc.integer({ min: 3 * MIB, max: 3 * MIB + 256 }),
      fc.nat(HEAD_BYTES),
    );
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      fc.constantFrom(
        ...[
          '44415441',
          'e2792aca',
          '0537be77',
          'ffffffffffffffff',
          '0000000000001000',
          '0000000000000000',
        ].map((hex) => Buffer.from(hex, 'hex')),
        ...['parentFileNameHint="/etc/passwd"', 'RW 8 FLAT "/etc/passwd" 0', 'QFI\xfb', 'version=1'].map(
          (text) => Buffer.from(text, 'latin1'),
        ),
      ),
    );
    const mutations = fc.array(fc.tuple(offset, bytes), { minLength: 1, maxLength: 6 });
    const mutate = (head: Buffer, changes: readonly (readonly [number, Uint8Array])[]): Buffer => {
      const copy = Buffer.from(head);
      for (const [at, data] of changes)
        copy.set(data.subarray(0, Math.max(0, copy.length - at)), Math.min(at, copy.length));
      return copy;
    };
    let samples: (HostileFile & { readonly data: Buffer })[];
    before(async () => {
      const files = await makeHostileFiles(folder);
      samples = await Promise.all(files.map(async (file) => ({ ...file, data: await readFile(file.path) })));
      for (const format of ['qcow2', 'vmdk', 'vhdx'] as const)
        samples.push({
          name: `plain ${format}`,
          path: '',
          declared: format,
          message: /./,
          data: await readFile(join(folder, `plain.${format}`)),
        });
    });

    it('never throws', () => {
      fc.assert(
        fc.property(fc.nat(), mutations, fc.nat(HEAD_BYTES), (index, changes, length) => {
          const head = mutate(samples[index % samples.length]?.data ?? Buffer.alloc(0), changes);
          inspectImage(head.subarray(0, length));
          inspectImage(head.subarray(0, HEAD_BYTES));
        }),
        { numRuns: 500 },
      );
    });

    it('never throws on pieces and noise', () => {
      const magic = fc.constantFrom('QFI\xfb\0\0\0\x03', 'QFI\xfb\0\0\0\x02', 'KDMV', 'vhdxfile', '');
      fc.assert(
        fc.property(magic, fc.uint8Array({ maxLength: 4096 }), (start, rest) => {
          inspectImage(Buffer.concat([Buffer.from(start, 'latin1'), rest]));
        }),
        { numRuns: 2_000 },
      );
    });

    it('never takes what makes qemu-img open another file', async () => {
      let taken = 0;
      await fc.assert(
        fc.asyncProperty(fc.nat(), mutations, async (index, changes) => {
          // Every other one from a good file: few mutants of hostile ones are taken.
          const from = samples.at(index % 2 === 0 ? -1 - (index % 3) : index % samples.length);
          const data = mutate(from?.data ?? Buffer.alloc(0), changes);
          const { format, problem } = inspectImage(data.subarray(0, HEAD_BYTES));
          if (problem !== null || format === null || format === 'raw') return;
          taken += 1;
          const path = join(folder, 'mutant');
          await writeFile(path, data);
          const info = await qemuImg('info', '-U', '--output=json', '-f', format, path).catch(() => '{}');
          assert.doesNotMatch(info, /"(?:full-)?backing-filename"|"data-file"/);
          const { 'format-specific': specific } = JSON.parse(info) as {
            'format-specific'?: { data?: { extents?: { filename: string }[] } };
          };
          for (const { filename } of specific?.data?.extents ?? []) assert.equal(filename, path);
        }),
        { numRuns: 150 },
      );
      assert.ok(taken > 20, `only ${taken} mutants were taken`);
    });
  });
});
