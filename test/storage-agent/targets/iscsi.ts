import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import type { Connection } from '#schema/tasks.ts';
import type { ClearAcl } from '#storage-agent/targets/target.ts';

/** How a guest's side logs in; without `username` it offers no CHAP. */
export type Login = Pick<ClearAcl, 'initiator'> & Partial<ClearAcl>;

interface Source extends AsyncDisposable {
  /** For QEMU's tools; the secret lies in a file, not in argv. */
  readonly object: readonly string[];
  readonly image: string;
}

async function sourceOf({ portals, iqn, lun }: Connection, login: Login): Promise<Source> {
  const folder = await mkdtemp(join(tmpdir(), 'by-iscsi-'));
  const file = join(folder, 'secret');
  await writeFile(file, login.secret ?? '', { mode: 0o600 });
  const options = {
    driver: 'raw',
    'file.driver': 'iscsi',
    'file.transport': 'tcp',
    'file.portal': portals[0],
    'file.target': iqn,
    'file.lun': lun,
    'file.initiator-name': login.initiator,
    ...(login.username === undefined ? {} : { 'file.user': login.username, 'file.password-secret': 'chap' }),
  };
  return {
    object: ['--object', `secret,id=chap,file=${file}`],
    image: Object.entries(options)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** Logs in with QEMU's own initiator, runs qemu-io commands and gives what they print. */
export async function qemuIo(connection: Connection, login: Login, ...commands: string[]): Promise<string> {
  await using source = await sourceOf(connection, login);
  const args = [...source.object, ...commands.flatMap((each) => ['-c', each]), '--image-opts', source.image];
  return (await systemRunner.run('qemu-io', args, { timeoutMs: 30_000 })).stdout;
}

/**
 * Writes this many 4 KiB blocks without waiting for each, flushes now and then, and reads all of them back. Rejects when any error
 * reaches the guest's side or a block is not what was written.
 */
export async function qemuLoad(connection: Connection, login: Login, blocks: number): Promise<void> {
  await using source = await sourceOf(connection, login);
  const lines: string[] = [];
  for (let block = 0; block < blocks; block += 1) {
    lines.push(`aio_write -q -P ${pattern(block)} ${block * 4}k 4k`);
    if (block % 64 === 63) lines.push('aio_flush', 'flush');
  }
  lines.push('aio_flush', 'flush');
  for (let block = 0; block < blocks; block += 1) lines.push(`read -q -P ${pattern(block)} ${block * 4}k 4k`);
  const args = [...source.object, '--image-opts', source.image];
  const input = `${lines.join('\n')}\n`;
  const { stdout } = await systemRunner.run('qemu-io', args, { timeoutMs: 120_000, input });
  const complaints = stdout.replaceAll(/(?:qemu-io> )+/g, '').trim();
  if (complaints !== '') throw new Error(complaints.slice(0, 2_000));
}

function pattern(block: number): number {
  return (block % 250) + 1;
}

/** A guest's side that stays logged in. */
export interface Held {
  /** Sends a qemu-io command and gives what was printed until the next prompt. */
  say(command: string): Promise<string>;
  end(): Promise<void>;
}

const PROMPT = 'qemu-io> ';

/** Logs in and stays. */
export async function holdSession(connection: Connection, login: Login): Promise<Held> {
  const source = await sourceOf(connection, login);
  const child = spawn('qemu-io', [...source.object, '--image-opts', source.image], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  let printed = '';
  child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (printed = `${chunk.toString()}${printed}`));
  const prompt = async (): Promise<string> => {
    while (!printed.endsWith(PROMPT)) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`qemu-io ended: ${printed}`);
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
      await source[Symbol.asyncDispose]();
    },
  };
}
