/** What the machine itself says, asked with its own tools and not through Blockyard. */
import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { systemRunner } from '#agent/run.ts';
import { parseTargets, type TgtTarget } from '#storage-agent/targets/tgt/show.ts';

export type Env = Readonly<Record<string, string>>;

export async function virsh(env: Env, ...args: string[]): Promise<string> {
  const uri = env['BLOCKYARD_LIBVIRT_URI'] ?? 'qemu:///system';
  return (await systemRunner.run('virsh', ['--quiet', '--connect', uri, ...args], { timeoutMs: 60_000 }))
    .stdout;
}

/** A disk of a domain, as `virsh dumpxml` shows it. */
export interface ShownDisk {
  readonly xml: string;
  readonly serial: string | undefined;
  readonly device: string | undefined;
  readonly iotune: Readonly<Record<string, number>>;
}

/** The disk of this volume in the running domain, or in its persistent definition. */
export async function diskOf(
  env: Env,
  domain: string,
  volumeId: string,
  which: 'live' | 'inactive',
): Promise<ShownDisk | undefined> {
  return parseDisk(
    await virsh(env, 'dumpxml', domain, ...(which === 'inactive' ? ['--inactive'] : [])),
    volumeId,
  );
}

/** The disk of this volume in a domain's XML. */
export function parseDisk(xml: string, volumeId: string): ShownDisk | undefined {
  const disks = [...xml.matchAll(/^ *<disk [\s\S]*?<\/disk>/gm)].map(([text]) => shownDisk(text));
  return disks.find(({ serial }) => serial === volumeId);
}

function shownDisk(text: string): ShownDisk {
  const iotune = /<iotune>([\s\S]*?)<\/iotune>/.exec(text)?.[1] ?? '';
  return {
    xml: text.replaceAll(/^ {4}/gm, ''),
    serial: /<serial>([^<]*)</.exec(text)?.[1],
    device: /<target dev='([^']*)'/.exec(text)?.[1],
    iotune: Object.fromEntries(
      [...iotune.matchAll(/<(\w+)>(\d+)</g)].map(([, key = '', value]) => [key, Number(value)]),
    ),
  };
}

/** `tgtadm --op show --mode target` on the target daemon of this stack. */
export async function targets(env: Env): Promise<TgtTarget[]> {
  const [, socket, control] = /^(.*)\.(\d+)$/.exec(env['BLOCKYARD_TGT_SOCKET'] ?? '') ?? [];
  if (socket === undefined || control === undefined)
    throw new Error('BLOCKYARD_TGT_SOCKET does not end with a control port, like socket.0');
  const args = ['-C', control, '--lld', 'iscsi', '--op', 'show', '--mode', 'target'];
  return parseTargets((await systemRunner.run('tgtadm', args, { env: { TGT_IPC_SOCKET: socket } })).stdout);
}

/** Descriptions of the libvirt secrets that hold CHAP secrets. */
export async function secrets(env: Env): Promise<string[]> {
  const list = await virsh(env, 'secret-list');
  return list.split('\n').flatMap((line) => /iscsi\s+(\S+)/.exec(line)?.[1] ?? []);
}

export interface FileFacts {
  readonly bytes: number;
  /** What the file system really spends on it. */
  readonly usedBytes: number;
}

/** Undefined when there is no such file. */
export async function fileFacts(path: string): Promise<FileFacts | undefined> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? undefined : { bytes: found.size, usedBytes: found.blocks * 512 };
}

/** SHA-256 of a file's first bytes. */
export async function sumOf(path: string, bytes: number): Promise<string> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
  return createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex');
}
