import type { Readable, Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { type Iotune, parseIotune } from '#schema/iotune.ts';
import { planAttach } from './attach.ts';
import { planDetach } from './detach.ts';
import { DISK_BUSES, type DiskBus, deviceFitsBus } from './device-name.ts';
import { DEFAULT_BUS, type DiskSpec, volumeIdProblem } from './disk-spec.ts';
import { DomainXmlError } from './domain-xml-error.ts';
import { decodeXml, MAX_BYTES } from './encoding.ts';
import { parseSource } from './parse-source.ts';
import type { Splice } from './splice.ts';

const USAGE = `Usage:
  blockyard domain-xml attach --id VOLUME_ID --source SPEC [--qos KEY=VALUE,…] [--bus BUS] [--device NAME] < IN > OUT
  blockyard domain-xml detach --id VOLUME_ID < IN > OUT

Adds a volume to a libvirt domain XML document, or takes it out; every other byte stays as it is.

  SPEC   block:/dev/PATH or iscsi://HOST[:PORT]/IQN/LUN (IPv6 addresses in brackets)
  BUS    ${DISK_BUSES.join(', ')} (default ${DEFAULT_BUS})
  NAME   for example vdb (default: the first free one of the bus)
  KEY    a limit of libvirt's <iotune>, for example read_iops_sec, or group_name

Exit code: 0 done; 1 the document or the request cannot be served; 2 wrong usage. Then nothing is printed.
`;

/** The streams of one run. */
export interface CommandStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** A wrong command line. */
class UsageError extends Error {
  override readonly name = 'UsageError';
}

type Plan = (text: string, options: { ascii: boolean }) => readonly Splice[];

/**
 * `blockyard domain-xml …`: a filter from standard input to standard output that keeps every byte it doesn't change.
 * @param argv what follows `domain-xml`.
 * @returns the exit code: 0, 1 for a document or request that can't be served, 2 for wrong usage.
 */
export async function domainXmlCommand(argv: readonly string[], streams: CommandStreams): Promise<number> {
  if (argv.includes('--help') || argv.includes('-h')) {
    await write(streams.stdout, USAGE);
    return 0;
  }
  try {
    const plan = planFrom(argv);
    const document = decodeXml(await readAll(streams.stdin));
    await write(streams.stdout, document.encode(plan(document.text, { ascii: !document.unicode })));
    return 0;
  } catch (error) {
    const usage = error instanceof UsageError;
    const known = usage || error instanceof DomainXmlError;
    const reason = known
      ? error.message
      : `unexpected: ${error instanceof Error ? error.message : 'unknown error'}`;
    await write(
      streams.stderr,
      `blockyard domain-xml: ${oneLine(reason)}${usage ? ' (--help shows the usage)' : ''}\n`,
    );
    return usage ? 2 : 1;
  }
}

function planFrom(argv: readonly string[]): Plan {
  const [verb, ...rest] = argv;
  if (verb === 'attach') {
    const spec = specFrom(rest);
    return (text, options) => planAttach(text, spec, options).splices;
  }
  if (verb === 'detach') {
    const id = volumeId(optionsFrom(rest, ['id']));
    return (text) => planDetach(text, id);
  }
  throw new UsageError('expected attach or detach');
}

function specFrom(args: readonly string[]): DiskSpec {
  const options = optionsFrom(args, ['id', 'source', 'qos', 'bus', 'device']);
  const source = options.get('source');
  if (source === undefined) throw new UsageError('--source is missing');
  const bus = options.get('bus') ?? DEFAULT_BUS;
  if (!isBus(bus)) throw new UsageError(`--bus must be one of ${DISK_BUSES.join(', ')}`);
  const device = options.get('device');
  if (device !== undefined && !deviceFitsBus(device, bus)) {
    throw new UsageError(`--device does not fit bus ${bus}`);
  }
  return {
    volumeId: volumeId(options),
    source: usage(() => parseSource(source)),
    bus,
    device,
    iotune: iotuneFrom(options.get('qos')),
  };
}

function optionsFrom(args: readonly string[], names: readonly string[]): Map<string, string> {
  const options = Object.fromEntries(
    names.map((name) => [name, { type: 'string', multiple: true }] as const),
  );
  const { values } = usage(() => parseArgs({ args: [...args], options, strict: true }));
  return new Map(
    Object.entries(values).map(([name, given]) => {
      const [value = '', ...more] = Array.isArray(given) ? given.map(String) : [];
      if (more.length > 0) throw new UsageError(`--${name} is given twice`);
      return [name, value];
    }),
  );
}

function volumeId(options: ReadonlyMap<string, string>): string {
  const id = options.get('id');
  if (id === undefined) throw new UsageError('--id is missing');
  const problem = volumeIdProblem(id);
  if (problem !== null) throw new UsageError(problem);
  return id;
}

function iotuneFrom(qos: string | undefined): Iotune {
  if (qos === undefined || qos === '') return {};
  const entries = qos.split(',').map((pair) => {
    const at = pair.indexOf('=');
    if (at < 1) throw new UsageError('--qos must be KEY=VALUE,KEY=VALUE,…');
    return [pair.slice(0, at), pair.slice(at + 1)] as const;
  });
  const result = parseIotune(entries);
  if ('problem' in result) throw new UsageError(`--qos: ${result.problem}`);
  return result.iotune;
}

function isBus(text: string): text is DiskBus {
  return (DISK_BUSES as readonly string[]).includes(text);
}

/** What goes wrong while the command line is read is wrong usage. */
function usage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'unreadable');
  }
}

async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk));
    size += chunk.length;
    // Decoding refuses it; reading on could only fill the memory.
    if (size > MAX_BYTES) break;
  }
  return Buffer.concat(chunks);
}

async function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

/** Keeps what a document or a command line says from breaking or colouring the terminal's line. */
function oneLine(text: string): string {
  return text.replace(/\p{C}+/gu, ' ').slice(0, 300);
}
