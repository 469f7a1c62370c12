import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTgtd, type TgtdServer } from '#stack/servers/tgtd.ts';
import { createFileBackend } from '#storage-agent/backends/file.ts';
import { createTgtClient } from '#storage-agent/targets/tgt/client.ts';
import { createTgtTarget } from '#storage-agent/targets/tgt/target.ts';
import { qemuIo } from './iscsi.ts';

describe('smoke', () => {
  it('works', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'by-tgt-'));
    const tgtd: TgtdServer = await startTgtd({ dir: folder });
    const client = createTgtClient(`${tgtd.socket}.0`);
    const target = createTgtTarget({
      client,
      portals: [tgtd.portal],
      iqnPrefix: 'iqn.2010-10.org.blockyard',
    });
    const backend = await createFileBackend(join(folder, 'v'));
    const v = randomUUID();
    await backend.ensure(v, 1024 ** 2);
    const acl = { initiator: 'iqn.2010-10.test:a', username: 'u', secret: 'secret-secret-1' };
    const connection = await target.ensure(v, { path: backend.devicePath(v), discard: true }, [acl]);
    console.log(await client.targets());
    console.log(await qemuIo(connection, acl, 'write -P 7 0 64k', 'length'));
    await target.absent(v);
    assert.deepEqual(await target.list(), []);
    await tgtd.stop();
    await rm(folder, { recursive: true });
  });
});
