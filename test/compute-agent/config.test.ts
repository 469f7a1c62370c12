import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readComputeConfig } from '#compute-agent/config.ts';

const GOOD = {
  BLOCKYARD_HOST: 'Host_1',
  REDIS_URL: 'redis://127.0.0.1:6379',
  BLOCKYARD_STATE_DIR: '/var/lib/blockyard',
  BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
};

describe('configuration of the compute agent', () => {
  it('has defaults for all but host, Redis, folder and key', () => {
    const config = readComputeConfig(GOOD);
    assert.equal(config.initiator, 'iqn.2010-10.org.blockyard:host:host-1');
    assert.equal(config.libvirtUri, 'qemu:///system');
    assert.equal(config.detachTimeoutMs, 160_000);
    assert.equal(config.stateDir, '/var/lib/blockyard/compute');
  });

  it('logs in by the name that open-iscsi has given the host, unless told otherwise', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'by-config-'));
    const file = join(dir, 'initiatorname.iscsi');
    const initiator = (more: object) => readComputeConfig({ ...GOOD, ...more }, file).initiator;
    const open = { BLOCKYARD_CONNECTOR: 'open-iscsi' };
    assert.equal(initiator(open), 'iqn.2010-10.org.blockyard:host:host-1');
    await writeFile(file, '# a comment\nInitiatorName=iqn.1993-08.org.debian:01:abc\n');
    assert.equal(initiator(open), 'iqn.1993-08.org.debian:01:abc');
    assert.equal(initiator({}), 'iqn.2010-10.org.blockyard:host:host-1');
    assert.equal(initiator({ ...open, BLOCKYARD_INITIATOR_NAME: 'iqn.2010-10.a:b' }), 'iqn.2010-10.a:b');
    await writeFile(file, 'InitiatorName=eui.02004567A425678D\n');
    assert.throws(() => initiator(open), /^Error: BLOCKYARD_INITIATOR_NAME must be set/);
    await rm(dir, { recursive: true });
  });

  for (const [name, value] of [
    ['BLOCKYARD_HOST', undefined],
    ['BLOCKYARD_SECRET_KEY', 'short'],
    ['BLOCKYARD_HYPERVISOR', 'xen'],
    ['BLOCKYARD_NOOP_SERVERS', '-1'],
    ['BLOCKYARD_NOOP_SERVERS', 'many'],
    ['BLOCKYARD_LIBVIRT_URI', ''],
    ['BLOCKYARD_INITIATOR_NAME', 'me'],
    ['BLOCKYARD_DETACH_TIMEOUT_S', '0'],
    ['BLOCKYARD_IP', 'host'],
    ['BLOCKYARD_CONNECTOR', 'iser'],
  ] as const) {
    it(`names ${name} when it is ${value}`, () => {
      assert.throws(
        () => readComputeConfig({ ...GOOD, [name]: value }),
        new RegExp(`^Error: ${name} (must|is) `),
      );
    });
  }
});
