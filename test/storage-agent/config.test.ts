import assert from 'node:assert/strict';
import { readStorageConfig } from '#storage-agent/config.ts';

const GOOD = {
  BLOCKYARD_HOST: 'node-1',
  REDIS_URL: 'redis://127.0.0.1:6379',
  BLOCKYARD_STATE_DIR: '/var/lib/blockyard',
  BLOCKYARD_SECRET_KEY: 'ab'.repeat(32),
  BLOCKYARD_BACKENDS: 'file:name=files,path=/srv/volumes',
  BLOCKYARD_ISCSI_PORTAL: '192.0.2.1:3260,[2001:db8::1]:3260',
};

describe('storage agent configuration', () => {
  it('reads portals of both families and has defaults', () => {
    const config = readStorageConfig(GOOD);
    assert.deepEqual(config.portals, ['192.0.2.1:3260', '[2001:db8::1]:3260']);
    assert.equal(config.target, 'tgt');
    assert.equal(config.iqnPrefix, 'iqn.2010-10.org.blockyard');
    assert.equal(config.availabilityZone, 'nova');
    assert.equal(config.stateDir, '/var/lib/blockyard/storage');
  });

  it('reads several backends', () => {
    const { backends } = readStorageConfig({
      ...GOOD,
      BLOCKYARD_BACKENDS:
        'file:name=files,path=/srv/volumes,reserved_percentage=10,backend_name=cheap; lvm-thin:name=fast,vg=vg0,pool=thin;lvm:name=slow,vg=vg1;',
    });
    assert.deepEqual(
      backends.map(({ kind, name, backend_name, reserved_percentage }) => [
        kind,
        name,
        backend_name,
        reserved_percentage,
      ]),
      [
        ['file', 'files', 'cheap', 10],
        ['lvm-thin', 'fast', undefined, 0],
        ['lvm', 'slow', undefined, 0],
      ],
    );
  });

  const bad: [string, Record<string, string | undefined>, RegExp][] = [
    ['no backend', { BLOCKYARD_BACKENDS: '' }, /^BLOCKYARD_BACKENDS .*at least one/],
    ['backends unset', { BLOCKYARD_BACKENDS: undefined }, /^BLOCKYARD_BACKENDS is not set/],
    ['an unknown kind', { BLOCKYARD_BACKENDS: 'zfs:name=a' }, /^BLOCKYARD_BACKENDS .*unknown kind.* zfs/],
    ['a missing option', { BLOCKYARD_BACKENDS: 'file:name=a' }, /^BLOCKYARD_BACKENDS .*path is not set/],
    ['an unknown option', { BLOCKYARD_BACKENDS: 'file:name=a,path=/x,vg=y' }, /^BLOCKYARD_BACKENDS .*vg/],
    ['a relative path', { BLOCKYARD_BACKENDS: 'file:name=a,path=x' }, /^BLOCKYARD_BACKENDS .*absolute/],
    [
      'a name twice',
      { BLOCKYARD_BACKENDS: 'file:name=a,path=/x;file:name=a,path=/y' },
      /^BLOCKYARD_BACKENDS .*two/,
    ],
    [
      'an option as a volume group',
      { BLOCKYARD_BACKENDS: 'lvm:name=a,vg=--all' },
      /^BLOCKYARD_BACKENDS .*vg/,
    ],
    ['a portal without port', { BLOCKYARD_ISCSI_PORTAL: '192.0.2.1' }, /^BLOCKYARD_ISCSI_PORTAL /],
    ['bare IPv6', { BLOCKYARD_ISCSI_PORTAL: '2001:db8::1:3260' }, /^BLOCKYARD_ISCSI_PORTAL /],
    ['a port out of range', { BLOCKYARD_ISCSI_PORTAL: '192.0.2.1:70000' }, /^BLOCKYARD_ISCSI_PORTAL /],
    ['a wrong target', { BLOCKYARD_TARGET: 'scst' }, /^BLOCKYARD_TARGET /],
    [
      'a portal with a name, which the kernel cannot listen on',
      { BLOCKYARD_TARGET: 'lio', BLOCKYARD_ISCSI_PORTAL: '192.0.2.1:3260,storage-1:3260' },
      /^BLOCKYARD_ISCSI_PORTAL .*addresses/,
    ],
    ['a wrong prefix', { BLOCKYARD_IQN_PREFIX: 'iqn.2010-10.org,x' }, /^BLOCKYARD_IQN_PREFIX /],
    ['a relative socket', { BLOCKYARD_TGT_SOCKET: 'socket.0' }, /^BLOCKYARD_TGT_SOCKET /],
    ['noop with a target', { BLOCKYARD_BACKENDS: 'noop:name=n' }, /^BLOCKYARD_TARGET /],
  ];
  for (const [what, change, expected] of bad)
    it(`names the variable for ${what}`, () => {
      assert.throws(() => readStorageConfig({ ...GOOD, ...change }), { message: expected });
    });

  it('never repeats a secret', () => {
    assert.throws(
      () => readStorageConfig({ ...GOOD, BLOCKYARD_SECRET_KEY: 'planted' }),
      (error: Error) =>
        error.message.startsWith('BLOCKYARD_SECRET_KEY') && !error.message.includes('planted'),
    );
  });
});
