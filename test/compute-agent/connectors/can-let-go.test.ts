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

  it('is given back only while its target answers: QEMU would wait for the logout, without end when the target goes', async () => {
    let speaks = true;
    const target = createServer((socket) => {
      socket.on('error', () => undefined).resume();
      if (speaks) socket.end('a login response');
    });
    await once(target.listen(0, '127.0.0.1'), 'listening');
    const { port } = target.address() as AddressInfo;
    assert.equal(await connector.canLetGo(source(port)), true);
    // As a process does that is stopped: its kernel goes on.
    speaks = false;
    assert.equal(await connector.canLetGo(source(port)), false);
    target.close();
    await once(target, 'close');
    assert.equal(await connector.canLetGo(source(port)), false);
  }).timeout(10_000);

  it('that the host connects is no matter', async () => {
    assert.equal(await connector.canLetGo({ type: 'block', dev: '/dev/null' }), true);
    assert.equal(await connector.canLetGo(null), true);
  });
});
