import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { startTgtd, type TgtdServer } from '#stack/servers/tgtd.ts';
import type { Backend } from '#storage-agent/backends/backend.ts';
import { createFileBackend } from '#storage-agent/backends/file/backend.ts';

export const IQN_PREFIX = 'iqn.2010-10.org.blockyard';

/** A tgtd of one's own and a folder of volumes. */
export interface TgtFixture extends AsyncDisposable {
  readonly tgtd: TgtdServer;
  /** tgtd's management socket. */
  readonly socket: string;
  readonly backend: Backend;
  /** Ends tgtd and starts another on the same socket and port. */
  restart(): Promise<void>;
}

/** Starts them. */
export async function startTgtFixture(): Promise<TgtFixture> {
  const folder = await mkdtemp(join(tmpdir(), 'by-tgt-'));
  let tgtd = await startTgtd({ dir: folder });
  const port = Number(tgtd.portal.split(':')[1]);
  const backend = await createFileBackend(join(folder, 'volumes'), systemRunner);
  return {
    get tgtd() {
      return tgtd;
    },
    socket: `${tgtd.socket}.0`,
    backend,
    async restart() {
      await tgtd.stop();
      tgtd = await startTgtd({ dir: folder, port });
    },
    async [Symbol.asyncDispose]() {
      await tgtd.stop();
      await rm(folder, { recursive: true });
    },
  };
}
