import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { freePort } from './port.ts';
import { type Server, startServer } from './server.ts';

export interface TgtdOptions {
  /** Folder for its socket and log; made when missing. Keep it short: it holds a Unix socket. */
  readonly dir: string;
  /** Default: a free one. */
  readonly port?: number;
}

export interface TgtdServer extends Server {
  /** What `tgtadm` wants as `TGT_IPC_SOCKET`; the control number is the default, 0. */
  readonly socket: string;
  /** The same as a file, which the storage agent speaks to: `BLOCKYARD_TGT_SOCKET`. */
  readonly managementSocket: string;
  /** The iSCSI portal, `127.0.0.1:port`. */
  readonly portal: string;
}

/** A private iSCSI target daemon, empty at the start: tgtd keeps no state, the storage agent exports anew. */
export async function startTgtd(options: TgtdOptions): Promise<TgtdServer> {
  const { dir } = options;
  const portal = `127.0.0.1:${options.port ?? (await freePort())}`;
  const socket = join(dir, 'tgtd');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const forget = () => Promise.all(['.0', '.0.lock'].map((end) => rm(`${socket}${end}`, { force: true })));
  await forget();
  const server = await startServer({
    name: 'tgtd',
    program: 'tgtd',
    // Four I/O threads per disk; its default of 16 makes 16,000 of a thousand exports.
    args: ['-f', '-C', '0', '-t', '4', '--iscsi', `portal=${portal}`],
    env: { TGT_IPC_SOCKET: socket },
    dir,
    // It ignores SIGTERM while it has targets. What it has acknowledged is with the kernel already.
    endSignal: 'SIGKILL',
    ready: async () => {
      const args = ['--lld', 'iscsi', '--op', 'show', '--mode', 'sys'];
      return (await systemRunner.run('tgtadm', args, { env: { TGT_IPC_SOCKET: socket } })).exitCode === 0;
    },
  });
  const stop = async (): Promise<void> => {
    await server.stop();
    await forget();
  };
  return { ...server, socket, managementSocket: `${socket}.0`, portal, stop, [Symbol.asyncDispose]: stop };
}
