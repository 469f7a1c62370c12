import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { type Server, startServer } from '#stack/servers/server.ts';
import type { MachineFile } from './seed.ts';

export interface ExecOptions {
  /** Milliseconds until the ssh client is killed. Default 60,000. */
  readonly timeoutMs?: number;
  /** Written to standard input; the place for secrets and long scripts. */
  readonly input?: string;
}

export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
  /** 255 when ssh itself failed, 124 at the time limit. */
  readonly exitCode: number;
}

const COPY_MS = 120_000;

/** How to get into one machine. */
export interface Ssh {
  /** For `ssh -F config name`. */
  readonly config: string;
  /** The machine's side of the keys. */
  readonly files: readonly MachineFile[];
  /** Opens the connection that every later command shares: 50 ms for one instead of seconds. */
  connect(): Promise<Server>;
  exec(command: string, options?: ExecOptions): Promise<ExecResult>;
  /** @throws Error when it cannot be copied. */
  put(file: string, target: string): Promise<void>;
  get(target: string, file: string): Promise<void>;
  /** Over the open connection. @throws Error when there is none. */
  forward(local: string, remote: string): Promise<void>;
  /** `<name>.log` in the folder gets all that the file holds and gets. */
  follow(remote: string, name: string): Promise<Server>;
}

/** Makes keys for both sides in `dir` and writes the configuration. */
export async function prepareSsh(name: string, dir: string, port: number): Promise<Ssh> {
  const [user, host] = [await makeKey(join(dir, 'user-key')), await makeKey(join(dir, 'host-key'))];
  const config = join(dir, 'ssh-config');
  await writeFile(join(dir, 'known-hosts'), `${name} ${host.public}\n`);
  await writeFile(
    config,
    `Host ${name}
  HostName 127.0.0.1
  Port ${port}
  User root
  HostKeyAlias ${name}
  HostKeyAlgorithms ssh-ed25519
  UserKnownHostsFile ${dir}/known-hosts
  StrictHostKeyChecking yes
  CheckHostIP no
  IdentityFile ${user.file}
  IdentitiesOnly yes
  IdentityAgent none
  PreferredAuthentications publickey
  KexAlgorithms curve25519-sha256
  Ciphers aes128-gcm@openssh.com
  ControlPath ${dir}/ssh
  ConnectTimeout 30
  StreamLocalBindUnlink yes
  LogLevel ERROR
`,
  );
  const ssh = ['-F', config];
  return {
    config,
    files: [
      { path: '/etc/ssh/lab_host_key', content: host.private, mode: 0o600 },
      { path: '/etc/ssh/lab_authorized_keys', content: `${user.public}\n`, mode: 0o600 },
    ],
    connect: () =>
      startServer({
        name: 'ssh',
        program: 'ssh',
        args: [...ssh, '-N', '-o', 'ControlMaster=yes', name],
        dir,
        ready: async () =>
          (await execa('ssh', [...ssh, '-O', 'check', name], { reject: false })).exitCode === 0,
        deadlineMs: 60_000,
      }),
    async put(file, target) {
      await execa('ssh', [...ssh, '-T', name, `cat >'${target}'`], { inputFile: file, timeout: COPY_MS });
    },
    async get(target, file) {
      await execa('ssh', [...ssh, '-T', name, `cat '${target}'`], { stdout: { file }, timeout: COPY_MS });
    },
    async forward(local, remote) {
      await execa('ssh', [...ssh, '-O', 'forward', '-L', `${local}:${remote}`, name]);
    },
    follow: (remote, log) =>
      startServer({
        name: log,
        program: 'ssh',
        args: [...ssh, '-T', name, `exec tail -n +1 -F '${remote}' 2>/dev/null`],
        dir,
        ready: async () => existsSync(join(dir, `${log}.log`)),
      }),
    async exec(command, { timeoutMs = 60_000, input } = {}) {
      const result = await execa('ssh', [...ssh, '-T', '-o', 'BatchMode=yes', name, command], {
        reject: false,
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        ...(input === undefined ? { stdin: 'ignore' as const } : { input }),
      });
      return {
        stdout: result.stdout,
        stderr: result.stderr,
        exitCode: result.timedOut ? 124 : (result.exitCode ?? 255),
      };
    },
  };
}

async function makeKey(file: string): Promise<{ file: string; private: string; public: string }> {
  await Promise.all([rm(file, { force: true }), rm(`${file}.pub`, { force: true })]);
  await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'lab', '-f', file]);
  const [secret, open] = await Promise.all([readFile(file, 'utf8'), readFile(`${file}.pub`, 'utf8')]);
  return { file, private: secret, public: open.trim() };
}
