import { open, stat } from 'node:fs/promises';
import { z } from 'zod';
import { ProgramError } from '#agent/program-error.ts';
import type { Runner, RunResult } from '#agent/run.ts';
import type { Luks, LuksCipher } from '#schema/luks.ts';
import { type DiskFormat, TaskError } from '#schema/tasks.ts';
import { copyDeadlineMs } from '../backends/deadline.ts';

/** A disk as one file or device, in a format that has been checked and is always told: QEMU never guesses. */
export interface Disk {
  readonly path: string;
  readonly format: DiskFormat;
}

/** A disk without a format: a file or device, or a logical unit that QEMU's own initiator (libiscsi) logs in to. */
export type RawDisk = RawPlace & {
  /** It is a LUKS volume, and what is inside is meant; the file holds the passphrase. */
  readonly inside?: string;
  /** Only so much of it, in bytes. */
  readonly part?: { readonly offset: number; readonly size: number };
};
type RawPlace =
  | { readonly path: string }
  | {
      /** `address:port` */
      readonly portal: string;
      readonly target: string;
      readonly lun: number;
      readonly initiator: string;
      readonly username: string;
      /** Holds the CHAP secret. */
      readonly secretFile: string;
    };

export interface LuksFormat extends Pick<Luks, 'cipher' | 'keyBits'> {
  readonly sizeBytes: number;
  /** Holds the passphrase. */
  readonly secretFile: string;
}

/** The one way to qemu-img, which reads what strangers have made (CVE-2024-32498 and kin): always under limits. */
export interface QemuImg {
  /** `qemu-img info`'s own document. @throws TaskError `invalid` when QEMU can't read it. */
  info(disk: Disk): Promise<DiskInfo>;
  /** At most the bytes of data, zeroes apart, in the disk. */
  dataBytes(disk: Disk): Promise<number>;
  /**
   * Writes a disk over the beginning of an existing device or file, durably.
   * @param sizeBytes of the disk; what it may cost in time depends on it.
   * @param zeroed the target shows zeroes everywhere: they need not be written.
   */
  write(from: Disk, to: string, options: { sizeBytes: number; zeroed: boolean }): Promise<void>;
  /** Makes a new file of this format from a disk. */
  make(from: Disk, to: Disk, sizeBytes: number): Promise<void>;
  /** Bytes. */
  rawSize(disk: RawDisk): Promise<number>;
  /** As `dataBytes`. */
  rawDataBytes(disk: RawDisk): Promise<number>;
  /** As `write`. */
  copy(from: RawDisk, to: string, options: { sizeBytes: number; zeroed: boolean }): Promise<void>;
  /** Makes an existing device or file a LUKS volume whose inside has this size. */
  formatLuks(path: string, luks: LuksFormat): Promise<void>;
  /** Writes a disk over the beginning of a LUKS volume's inside. */
  encrypt(from: RawDisk, to: string, options: { sizeBytes: number; secretFile: string }): Promise<void>;
  /** Reads it all and says whether it is nothing but zeroes. */
  isEmpty(disk: RawDisk, sizeBytes: number): Promise<boolean>;
  /** Reads both from end to end; what one has beyond the other's end must be zeroes. */
  same(one: RawDisk, other: RawDisk, sizeBytes: number): Promise<boolean>;
}

const diskInfo = z.object({
  'virtual-size': z.number(),
  'backing-filename': z.string().optional(),
  'full-backing-filename': z.string().optional(),
  encrypted: z.boolean().optional(),
  snapshots: z.array(z.unknown()).optional(),
  'format-specific': z
    .object({
      data: z.object({
        'data-file': z.string().optional(),
        extents: z.array(z.object({ filename: z.string() })).optional(),
      }),
    })
    .optional(),
});
export type DiskInfo = z.infer<typeof diskInfo>;

const measure = z.object({ required: z.number() });

/** What Cinder allows for looking at an image: a GiB of address space and 30 seconds of processor time. */
const ADDRESS_SPACE_BYTES = 1024 ** 3;
/** glibc would reserve 64 MiB of it for nearly every thread, of which slow disks make many: then there is no room for the next one. */
const ENV = { MALLOC_ARENA_MAX: '1' };
const LOOK_CPU_S = 30;
const LOOK_MS = 120_000;
/** Converting: unpacking and comparing with zero goes at hundreds of MB/s. */
const LEAST_CPU_S = 60;
const SLOWEST_BYTES_PER_CPU_S = 10_000_000;

export function createQemuImg(runner: Runner): QemuImg {
  const run = async (cpuSeconds: number, timeoutMs: number, args: readonly string[]): Promise<RunResult> => {
    const limits = [`--as=${ADDRESS_SPACE_BYTES}`, `--cpu=${cpuSeconds}`];
    // It dies with the agent: a later run makes anew what this one was writing to.
    const all = [...limits, 'setpriv', '--pdeathsig', 'KILL', 'qemu-img', ...args];
    try {
      return await runner.run('prlimit', all, { timeoutMs, env: ENV });
    } catch (error) {
      throw error instanceof ProgramError ? reasonOf(error) : error;
    }
  };
  const look = async (args: readonly string[]): Promise<unknown> =>
    JSON.parse((await run(LOOK_CPU_S, LOOK_MS, args)).stdout);
  const work = (sizeBytes: number, args: readonly string[]): Promise<RunResult> => {
    const cpuSeconds = LEAST_CPU_S + Math.ceil(sizeBytes / SLOWEST_BYTES_PER_CPU_S);
    return run(cpuSeconds, copyDeadlineMs(sizeBytes), args);
  };
  const convert = (sizeBytes: number, args: readonly string[]): Promise<RunResult> =>
    work(sizeBytes, ['convert', ...args]);
  const compare = async (
    sizeBytes: number,
    objects: readonly string[],
    ...both: readonly [string, string]
  ): Promise<boolean> => {
    try {
      await work(2 * sizeBytes, ['compare', '-q', ...objects, '--image-opts', ...both]);
      return true;
    } catch (error) {
      if (error instanceof Differs) return false;
      throw error;
    }
  };
  const writeOver = async (
    source: readonly string[],
    to: string,
    { sizeBytes, zeroed }: { sizeBytes: number; zeroed: boolean },
  ): Promise<void> => {
    const device = (await stat(to)).isBlockDevice();
    // Past the page cache where that is sure to work; writes need no order, the disk is whole at the end or not at all.
    const cache = device ? ['-t', 'none', '-W'] : ['-t', 'writeback'];
    const blank = zeroed ? ['--target-is-zero'] : [];
    await convert(sizeBytes, ['-n', ...blank, ...cache, '-O', 'raw', ...source, to]);
    await using file = await open(to, 'r+');
    await file.sync();
  };

  return {
    info: async ({ path, format }) =>
      diskInfo.parse(await look(['info', '--output=json', '--force-share', '-f', format, path])),
    /** As a qcow2 would have it: for a raw target QEMU answers the whole size. */
    dataBytes: async ({ path, format }) =>
      measure.parse(await look(['measure', '--output=json', '-f', format, '-O', 'qcow2', path])).required,
    write: (from, to, options) => writeOver(['-f', from.format, from.path], to, options),
    async make(from, to, sizeBytes) {
      await convert(sizeBytes, ['-f', from.format, '-O', to.format, from.path, to.path]);
    },
    rawSize: async (disk) =>
      diskInfo.parse(await look(['info', '--output=json', ...(await optionsOf(disk))]))['virtual-size'],
    rawDataBytes: async (disk) =>
      measure.parse(await look(['measure', '--output=json', '-O', 'qcow2', ...(await optionsOf(disk))]))
        .required,
    copy: async (from, to, options) => writeOver(await optionsOf(from), to, options),
    async formatLuks(path, { sizeBytes, cipher, keyBits, secretFile }) {
      const options = Object.entries({
        'key-secret': 'key',
        ...luksOptions(cipher, keyBits),
        'iter-time': ITER_MS,
      });
      const words = options.map(([key, value]) => `${key}=${value}`).join(',');
      const args = [
        'create',
        '-q',
        '--object',
        `secret,id=key,file=${escaped(secretFile)}`,
        '-f',
        'luks',
        '-o',
        words,
        path,
        String(sizeBytes),
      ];
      for (let attempt = 1; ; attempt += 1) {
        try {
          await run(LOOK_CPU_S, LOOK_MS, args);
          return;
        } catch (error) {
          if (attempt === CLOCK_TRIES || !(error instanceof Error && CLOCK_STOOD.test(error.message)))
            throw error;
        }
      }
    },
    async encrypt(from, to, { sizeBytes, secretFile }) {
      const target = await described({ path: to, inside: secretFile }, 'target');
      const args = [
        '-n',
        ...target.objects,
        ...(await optionsOf(from)),
        '--target-image-opts',
        target.options,
      ];
      await convert(sizeBytes, args);
    },
    async isEmpty(disk, sizeBytes) {
      const { objects, options } = await described(disk);
      return compare(sizeBytes, objects, options, `driver=null-co,size=${sizeBytes},read-zeroes=on`);
    },
    async same(one, other, sizeBytes) {
      const [first, second] = [await described(one), await described(other, 'other')];
      const objects = [...first.objects, ...second.objects];
      return compare(sizeBytes, objects, first.options, second.options);
    },
  };
}

/** A passphrase of 256 random bits needs no stretching; QEMU measures the processor for two seconds all the same. */
const ITER_MS = 100;

/** It gives up where a processor's clock shows no time between two looks, as coarse ones do (until QEMU 9.1). */
const CLOCK_STOOD = /Unable to get accurate CPU usage/;
const CLOCK_TRIES = 20;

/** dm-crypt's words in QEMU's (qemu-img(1), "luks"). */
function luksOptions(cipher: LuksCipher, keyBits: number): Record<string, string> {
  switch (cipher) {
    case 'aes-xts-plain64':
      return { 'cipher-alg': `aes-${keyBits / 2}`, 'cipher-mode': 'xts', 'ivgen-alg': 'plain64' };
    case 'aes-cbc-plain64':
      return { 'cipher-alg': `aes-${keyBits}`, 'cipher-mode': 'cbc', 'ivgen-alg': 'plain64' };
    case 'aes-cbc-essiv:sha256':
      return {
        'cipher-alg': `aes-${keyBits}`,
        'cipher-mode': 'cbc',
        'ivgen-alg': 'essiv',
        'ivgen-hash-alg': 'sha256',
      };
    default:
      return cipher satisfies never;
  }
}

/** The arguments that name a raw disk; the last one is its options. */
async function optionsOf(disk: RawDisk): Promise<string[]> {
  const { objects, options } = await described(disk);
  return [...objects, '--image-opts', options];
}

type Options = readonly (readonly [key: string, value: string | number])[];

/**
 * A raw disk in QEMU's block drivers (`file`, `host_device`, `iscsi`; `luks`; `raw`), and the secrets that they need.
 * @param who tells its passphrase from that of another disk in the same command.
 */
async function described(
  disk: RawDisk,
  who = 'disk',
): Promise<{ readonly objects: string[]; readonly options: string }> {
  const { inside, part } = disk;
  const objects = [
    ...('path' in disk ? [] : secretObject('chap', disk.secretFile)),
    ...(inside === undefined ? [] : secretObject(who, inside)),
  ];
  let options = await placeOptions(disk);
  if (inside !== undefined) options = [['driver', 'luks'], ['key-secret', who], ...options.map(below)];
  if (inside === undefined || part !== undefined)
    options = [['driver', 'raw'], ...Object.entries(part ?? {}), ...options.map(below)];
  return {
    objects,
    options: options.map(([key, value]) => `${key}=${escaped(String(value))}`).join(','),
  };
}

async function placeOptions(disk: RawDisk): Promise<Options> {
  if ('path' in disk) {
    const driver = (await stat(disk.path)).isBlockDevice() ? 'host_device' : 'file';
    return [
      ['driver', driver],
      ['filename', disk.path],
    ];
  }
  const { portal, target, lun, initiator, username } = disk;
  return [
    ['driver', 'iscsi'],
    ['password-secret', 'chap'],
    ...Object.entries({ transport: 'tcp', portal, target, lun, user: username, 'initiator-name': initiator }),
  ];
}

function below([key, value]: Options[number]): Options[number] {
  return [`file.${key}`, value];
}

function secretObject(id: string, file: string): string[] {
  return ['--object', `secret,id=${id},file=${escaped(file)}`];
}

/** In QEMU's options a comma ends the value. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}

/** `qemu-img compare` found a difference: its exit code is 1 then, and nothing stands on standard error. */
class Differs extends Error {
  override readonly name = 'Differs';
}

/** What QEMU said, as a word for the user where another try cannot help. */
function reasonOf(error: ProgramError): Error {
  const { signal, exitCode, stderr, timedOut } = error.failure;
  if (timedOut) return error;
  if (error.failure.args.includes('luks')) return error;
  if (error.failure.args.includes('compare')) return exitCode === 1 && stderr === '' ? new Differs() : error;
  // The processor time that it may use is over, or the agent's own end.
  if (signal === 'SIGKILL' || signal === 'SIGXCPU')
    return new TaskError('refused', 'the image takes more processor time than is allowed');
  if (/No space left on device/.test(stderr)) return new TaskError('refused', 'no space left for the data');
  if (exitCode !== 1 || /Input\/output error|Could not open '\/dev\//.test(stderr)) return error;
  if (/Cannot allocate memory/.test(stderr))
    return new TaskError('refused', 'the image takes more memory than is allowed');
  const said = /qemu-img: (?:Could not open '[^']*': )?(.{1,200})/.exec(stderr)?.[1];
  return new TaskError('invalid', `the image cannot be read${said === undefined ? '' : ` (${said.trim()})`}`);
}
