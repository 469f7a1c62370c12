import { execFile } from 'node:child_process';
import { open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HEAD_BYTES } from '#images/inspect.ts';

const run = promisify(execFile);

/** Runs the real qemu-img. */
export async function qemuImg(...args: readonly string[]): Promise<string> {
  return (await run('qemu-img', args, { timeout: 30_000 })).stdout;
}

/** What `inspectImage` is given of a file. */
export async function headOf(path: string): Promise<Buffer> {
  await using file = await open(path);
  const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
  return buffer.subarray(0, bytesRead);
}

/** A copy with bytes changed. */
export async function patched(
  path: string,
  to: string,
  ...changes: readonly (readonly [offset: number, bytes: Buffer | string])[]
): Promise<string> {
  const data = await readFile(path);
  for (const [offset, bytes] of changes) data.set(Buffer.from(bytes as string, 'latin1'), offset);
  await writeFile(to, data);
  return to;
}

const u32be = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const u64be = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};
const u64le = (value: bigint): Buffer => Buffer.from(u64be(value).toReversed());

/** A descriptor as VMware's tools write it. */
const descriptor = (type: string, extents: readonly string[], more = ''): string => `# Disk DescriptorFile
version=1
CID=7b5a1c2e
parentCID=ffffffff
createType="${type}"
${more}
# Extent description
${extents.join('\n')}

# The Disk Data Base
ddb.virtualHWVersion = "4"
`;

export interface HostileFile {
  readonly name: string;
  readonly path: string;
  /** What its owner says that it is. */
  readonly declared: 'raw' | 'qcow2' | 'vmdk' | 'vhdx';
  /** What the user reads. */
  readonly message: RegExp;
}

/** One of each kind of file that would make an unwary reader open other files, or lie about what it is. */
export async function makeHostileFiles(folder: string): Promise<HostileFile[]> {
  const at = (name: string): string => join(folder, name);
  const make = async (name: string, ...args: string[]): Promise<string> => {
    await qemuImg(
      'create',
      '-q',
      ...args.slice(0, 2),
      ...args.slice(2, -1),
      at(name),
      ...args.slice(-1).filter((size) => size !== ''),
    );
    return at(name);
  };
  const secret = at('secret');
  await writeFile(secret, Buffer.alloc(1024 ** 2, 'secret'));
  const qcow2 = await make('plain.qcow2', '-f', 'qcow2', '4M');
  const v2 = await make('plain-v2.qcow2', '-f', 'qcow2', '-o', 'compat=0.10', '4M');
  const vmdk = await make('plain.vmdk', '-f', 'vmdk', '4M');
  const vhdx = await make('plain.vhdx', '-f', 'vhdx', '4M');
  const files: HostileFile[] = [];
  const add = (name: string, declared: HostileFile['declared'], message: RegExp, path: string): void => {
    files.push({ name, declared, message, path });
  };
  const descriptorIn = (text: string) => [512, Buffer.alloc(20 * 512), text] as const;
  const withDescriptor = async (name: string, text: string, ...more: [number, Buffer][]): Promise<string> => {
    const [offset, blank] = descriptorIn(text);
    return patched(vmdk, at(name), [offset, blank], [offset, text], ...more);
  };

  add(
    'a qcow2 with a backing file',
    'qcow2',
    /backing file/,
    await make('backed.qcow2', '-f', 'qcow2', '-F', 'raw', '-b', secret, ''),
  );
  add(
    'an old qcow2 with a backing file',
    'qcow2',
    /backing file/,
    await patched(
      v2,
      at('v2-backed.qcow2'),
      [8, u64be(0x1000n)],
      [16, u32be(secret.length)],
      [0x1000, secret],
    ),
  );
  add(
    'a qcow2 whose backing file is JSON',
    'qcow2',
    /backing file/,
    await make(
      'json.qcow2',
      '-f',
      'qcow2',
      '-u',
      '-F',
      'raw',
      '-b',
      `json:{"driver":"file","filename":"${secret}"}`,
      '4M',
    ),
  );
  add(
    'a qcow2 with an external data file',
    'qcow2',
    /another file/,
    await make('data.qcow2', '-f', 'qcow2', '-o', `data_file=${at('data.raw')},data_file_raw=on`, '4M'),
  );
  add(
    'a qcow2 that names a data file without saying that it needs it',
    'qcow2',
    /another file/,
    await patched(
      qcow2,
      at('named.qcow2'),
      [112, u32be(0x44415441)],
      [116, u32be(8)],
      [120, '/etc/pwd'],
      [128, u64be(0n)],
    ),
  );
  add(
    'a qcow2 with an unknown feature',
    'qcow2',
    /features/,
    await patched(qcow2, at('feature.qcow2'), [72, u64be(1n << 40n)]),
  );
  add('a corrupt qcow2', 'qcow2', /corrupt/, await patched(qcow2, at('corrupt.qcow2'), [72, u64be(2n)]));
  add('an encrypted qcow2', 'qcow2', /encrypted/, await patched(qcow2, at('crypt.qcow2'), [32, u32be(2)]));
  add('a qcow2 of version 1', 'qcow2', /version 1/, await make('old.qcow', '-f', 'qcow', '4M'));
  add('a qcow2 with snapshots', 'qcow2', /snapshots/, await snapshotted(qcow2, at('snap.qcow2')));
  add(
    'a qcow2 that claims exabytes',
    'qcow2',
    /impossible size/,
    await patched(qcow2, at('huge.qcow2'), [24, u64be(1n << 60n)]),
  );
  add(
    'a qcow2 whose header never ends',
    'qcow2',
    /damaged/,
    await patched(qcow2, at('endless.qcow2'), [112, u32be(0x6803f857)], [116, u32be(0xffffff00)]),
  );
  add(
    'a qcow2 that is also a bootable disk',
    'qcow2',
    /two things/,
    await patched(qcow2, at('mbr.qcow2'), [510, '\x55\xaa']),
  );
  add(
    'a qcow2 that is also an ISO',
    'qcow2',
    /two things/,
    await patched(qcow2, at('iso.qcow2'), [0x8001, 'CD001']),
  );
  add(
    'a VMDK whose data are another file',
    'vmdk',
    /names other files/,
    await make('flat.vmdk', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', '4M'),
  );
  add(
    'a VMDK descriptor that names a secret',
    'vmdk',
    /names other files/,
    await written(at('text.vmdk'), descriptor('monolithicFlat', [`RW 2048 FLAT "${secret}" 0`])),
  );
  add(
    'a VMDK descriptor under another comment',
    'raw',
    /names other files/,
    await written(at('comment.vmdk'), `#!/bin/sh\n \nversion=1\nRW 2048 FLAT "${secret}" 0\n`),
  );
  add(
    'a VMDK with a parent',
    'vmdk',
    /parent/,
    await make('child.vmdk', '-f', 'vmdk', '-F', 'vmdk', '-b', vmdk, ''),
  );
  add(
    'a VMDK with only a hint at a parent',
    'vmdk',
    /parent/,
    await withDescriptor(
      'hint.vmdk',
      descriptor('monolithicSparse', ['RW 8192 SPARSE "hint.vmdk"'], `parentFileNameHint="${secret}"`),
    ),
  );
  add(
    'a sparse VMDK of capacity 0 with a flat extent',
    'vmdk',
    /descriptor/,
    await withDescriptor('zero.vmdk', descriptor('monolithicFlat', [`RW 2048 FLAT "${secret}" 0`]), [
      12,
      u64le(0n),
    ]),
  );
  add(
    'a sparse VMDK with a second extent',
    'vmdk',
    /other files/,
    await withDescriptor(
      'second.vmdk',
      descriptor('monolithicSparse', ['RW 8192 SPARSE "second.vmdk"', `RW 2048 FLAT "${secret}" 0`]),
    ),
  );
  add(
    'a sparse VMDK with an extent elsewhere',
    'vmdk',
    /other files/,
    await withDescriptor('else.vmdk', descriptor('monolithicSparse', ['RW 8192 SPARSE "/srv/else.vmdk"'])),
  );
  add(
    'a VMDK of a device',
    'vmdk',
    /fulldevice/,
    await withDescriptor('device.vmdk', descriptor('fullDevice', ['RW 8192 FLAT "/dev/sda" 0'])),
  );
  add(
    'a VMDK whose descriptor is elsewhere',
    'vmdk',
    /part of another/,
    await patched(vmdk, at('moved.vmdk'), [28, u64le(64n)]),
  );
  add('a VHDX with a parent', 'vhdx', /parent/, await patchedVhdx(vhdx, at('child.vhdx')));
  add('a qcow2 under a wrong name', 'raw', /declared as raw but is qcow2/, qcow2);
  add('raw data under a wrong name', 'qcow2', /declared as qcow2 but is raw/, secret);
  add('a VHD', 'raw', /VHD/, await make('plain.vhd', '-f', 'vpc', '4M'));
  add('a VDI', 'raw', /VDI/, await make('plain.vdi', '-f', 'vdi', '4M'));
  add(
    'LUKS',
    'raw',
    /LUKS/,
    await written(
      at('luks'),
      Buffer.concat([Buffer.from('LUKS\xba\xbe\0\x01', 'latin1'), Buffer.alloc(4096)]),
    ),
  );
  add(
    'compressed data',
    'raw',
    /gzip/,
    await written(at('disk.gz'), Buffer.from('1f8b08000000000000000000', 'hex')),
  );
  add('no data', 'raw', /empty/, await written(at('empty'), ''));
  return files;
}

async function written(path: string, data: string | Buffer): Promise<string> {
  await writeFile(path, data);
  return path;
}

async function snapshotted(path: string, to: string): Promise<string> {
  await patched(path, to);
  await qemuImg('snapshot', '-c', 'before', to);
  return to;
}

/** Sets the "has a parent" flag of the file parameters. */
async function patchedVhdx(path: string, to: string): Promise<string> {
  const data = await readFile(path);
  const metadata = data.indexOf('metadata');
  const id = Buffer.from('3767a1ca36fa434db3b633f0aa44e76b', 'hex');
  const entry = data.indexOf(id, metadata);
  const parameters = metadata + data.readUInt32LE(entry + 16);
  return patched(path, to, [parameters + 4, Buffer.from([2])]);
}
