import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import type { Connection } from '#schema/tasks.ts';
import type { ClearAcl } from '#storage-agent/targets/target.ts';

/** `--object` and `--image-opts` for QEMU's tools; the secret lies in a file, not in argv. */
async function qemuArgs(
  folder: string,
  { portals, iqn, lun }: Connection,
  { initiator, username, secret }: ClearAcl,
): Promise<string[]> {
  const file = join(folder, 'secret');
  await writeFile(file, secret, { mode: 0o600 });
  const source = {
    driver: 'iscsi',
    transport: 'tcp',
    portal: portals[0],
    target: iqn,
    lun,
    'initiator-name': initiator,
    ...(username === '' ? {} : { user: username, 'password-secret': 'chap' }),
  };
  const options = Object.entries(source).map(([key, value]) => `file.${key}=${value}`);
  return ['--object', `secret,id=chap,file=${file}`, '--image-opts', ['driver=raw', ...options].join(',')];
}

async function withFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'by-iscsi-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Logs in with QEMU's own initiator, runs qemu-io commands and gives what they print. */
export function qemuIo(connection: Connection, acl: ClearAcl, ...commands: string[]): Promise<string> {
  return withFolder(async (folder) => {
    const args = [...(await qemuArgs(folder, connection, acl)), ...commands.flatMap((each) => ['-c', each])];
    return (await systemRunner.run('qemu-io', args, { timeoutMs: 15_000 })).stdout;
  });
}

/** Writes this many 4 KiB blocks, 16 at a time; rejects at the first error that reaches the guest's side. */
export function qemuBench(connection: Connection, acl: ClearAcl, count: number): Promise<string> {
  return withFolder(async (folder) => {
    const args = ['bench', ...(await qemuArgs(folder, connection, acl)), '-w', '-n', '-t', 'none'];
    const last = args.pop();
    args.push(last ?? '', '-c', String(count), '-d', '16', '--flush-interval', '64');
    args.splice(1, 0);
    return (await systemRunner.run('qemu-img', reorder(args), { timeoutMs: 60_000 })).stdout;
  });
}

/** qemu-img wants the image last. */
function reorder(args: readonly string[]): string[] {
  const at = args.indexOf('--image-opts');
  return [...args.slice(0, at), '--image-opts', ...args.slice(at + 2), args[at + 1] ?? ''];
}

/** A guest's side that stays logged in: write qemu-io commands, end it at the end. */
export interface Held {
  /** Sends a command and gives what was printed until the next prompt. */
  say(command: string): Promise<string>;
  end(): Promise<void>;
}

/** Logs in and stays. */
export async function holdSession(connection: Connection, acl: ClearAcl): Promise<Held> {
  const folder = await mkdtemp(join(tmpdir(), 'by-iscsi-'));
  const child = spawn('qemu-io', await qemuArgs(folder, connection, acl), {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const prompt = async (): Promise<string> => {
    while (!printed.endsWith('qemu-io> ')) {
      if (child.exitCode !== null) throw new Error(`qemu-io ended: ${printed}`);
      await Promise.race([once(child.stdout, 'data'), closed]);
    }
    const answer = printed;
    printed = '';
    return answer;
  };
  await prompt();
  return {
    say(command) {
      child.stdin.write(`${command}\n`);
      return prompt();
    },
    async end() {
      child.kill('SIGKILL');
      await closed;
      await rm(folder, { recursive: true });
    },
  };
}
