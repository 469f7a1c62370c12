import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { libiscsiConnector } from '#compute-agent/connectors/libiscsi.ts';
import { openIscsiConnector } from '#compute-agent/connectors/open-iscsi/connector.ts';
import type { Virsh } from '#compute-agent/libvirt/virsh/virsh.ts';
import { startTgtd } from '#stack/servers/tgtd.ts';
import { recordedSysfs } from './open-iscsi/sysfs.ts';

const VOLUME = '11111111-1111-4111-8111-111111111111';

/** Nothing is asked of libvirt here. */
const noVirsh: Virsh = {
  run: () => Promise.reject(new Error('not here')),
  spawns: 0,
  stop: async () => undefined,
};

describe('a disk that QEMU reaches by itself is given back', () => {
  const connector = libiscsiConnector(noVirsh);
  const iqn = 'iqn.2026-01.org.example:volume';
  const canPlug = (port: number) =>
    connector.canPlug(VOLUME, { type: 'iscsi', host: '127.0.0.1', port, iqn, lun: 1 });
  let target: Server | undefined;
  const open = new Set<Socket>();
  const targetThat = async (does: (socket: Socket) => void): Promise<number> => {
    target = createServer((socket) => {
      open.add(socket.on('error', () => undefined));
      does(socket);
    }).listen(0, '127.0.0.1');
    await once(target, 'listening');
    return (target.address() as AddressInfo).port;
  };
  afterEach(() => {
    for (const socket of open) socket.destroy();
    target?.close();
  });

  it('by a target that answers a login, whatever it says', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'by-'));
    const tgtd = await startTgtd({ dir });
    try {
      assert.equal(await canPlug(Number(tgtd.portal.split(':')[1])), true);
    } finally {
      await tgtd.stop();
      await rm(dir, { recursive: true, force: true });
    }
    assert.equal(await canPlug(await targetThat((socket) => socket.end())), true);
  });

  it('not while the target accepts connections and says nothing, nor while nobody is there', async () => {
    const port = await targetThat(() => undefined);
    assert.equal(await canPlug(port), false);
    for (const socket of open) socket.destroy();
    target?.close();
    assert.equal(await canPlug(port), false);
  }).timeout(10_000);

  it('where it is no such disk', async () => {
    assert.equal(await connector.canPlug(VOLUME, { type: 'block', dev: '/dev/null' }), true);
    assert.equal(await connector.canPlug(VOLUME, null), true);
  });
});

describe('a disk that the host connects is given back', () => {
  let sys: string;
  let dir: string;
  before(async () => {
    [sys, dir] = [await recordedSysfs('multipath'), await mkdtemp(join(tmpdir(), 'by-plug-'))];
  });
  after(async () => {
    await rm(sys, { recursive: true });
    await rm(dir, { recursive: true });
  });

  it('while it has a session that is logged in', async () => {
    const places = { sys, dev: join(dir, 'dev'), nodes: join(dir, 'nodes') };
    const connector = openIscsiConnector({
      runner: systemRunner,
      dir: join(dir, 'c'),
      log: () => undefined,
      places,
    });
    const source = { type: 'block', dev: '/dev/null' } as const;
    assert.equal(await connector.canPlug(VOLUME, source), true);
    assert.equal(await connector.canPlug('22222222-2222-4222-8222-222222222222', source), false);
    const sessions = join(sys, 'class/iscsi_session');
    for (const name of await readdir(sessions)) await writeFile(join(sessions, name, 'state'), 'FAILED\n');
    assert.equal(await connector.canPlug(VOLUME, source), false);
  });
});
