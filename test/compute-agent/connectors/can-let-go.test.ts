import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { libiscsiConnector } from '#compute-agent/connectors/libiscsi.ts';
import type { Virsh } from '#compute-agent/libvirt/virsh/virsh.ts';

/** Nothing is asked of libvirt here. */
const noVirsh: Virsh = {
  run: () => Promise.reject(new Error('not here')),
  spawns: 0,
  stop: async () => undefined,
};

describe('a disk that QEMU reaches by itself', () => {
  const connector = libiscsiConnector(noVirsh);
  const source = (port: number) =>
    ({ type: 'iscsi', host: '127.0.0.1', port, iqn: 'iqn.2026-01.org.example:volume', lun: 1 }) as const;

  it('is given back only while its target answers: QEMU would wait for the logout without end', async () => {
    const target = createServer().listen(0, '127.0.0.1');
    await once(target, 'listening');
    const { port } = target.address() as AddressInfo;
    assert.equal(await connector.canLetGo(source(port)), true);
    target.close();
    await once(target, 'close');
    assert.equal(await connector.canLetGo(source(port)), false);
  });

  it('that the host connects is no matter', async () => {
    assert.equal(await connector.canLetGo({ type: 'block', dev: '/dev/null' }), true);
    assert.equal(await connector.canLetGo(null), true);
  });
});
