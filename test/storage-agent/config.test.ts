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
    [
      'a cache of half an image',
      { BLOCKYARD_BACKENDS: 'lvm-thin:name=a,vg=v,pool=p,image_cache_count=0.5' },
      /^BLOCKYARD_BACKENDS .*image_cache_count must be whole/,
    ],
    [
      'a cache for thick volumes',
      { BLOCKYARD_BACKENDS: 'lvm:name=a,vg=v,image_cache_count=1' },
      /^BLOCKYARD_BACKENDS .*unknown option/,
    ],
    ['an image service that is no URL', { BLOCKYARD_IMAGE_URL: 'api:8776' }, /^BLOCKYARD_IMAGE_URL must be/],
    [
      'a relative folder for images',
      { BLOCKYARD_IMAGE_CONVERSION_DIR: 'tmp' },
      /^BLOCKYARD_IMAGE_CONVERSION_DIR must be/,
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

  it('reads where images come from', () => {
    assert.equal(readStorageConfig(GOOD).imageService, null);
    const BLOCKYARD_IMAGE_URL = 'http://192.0.2.9:8776/image';
    const { imageService, imageDir } = readStorageConfig({ ...GOOD, BLOCKYARD_IMAGE_URL });
    assert.deepEqual(imageService, { url: BLOCKYARD_IMAGE_URL, account: null });
    assert.equal(imageDir, '/var/lib/blockyard/storage/image-conversion');
    const glance = {
      ...GOOD,
      BLOCKYARD_IMAGE_URL,
      BLOCKYARD_IMAGE_CONVERSION_DIR: '/srv/tmp',
      BLOCKYARD_GLANCE_AUTH_URL: 'https://192.0.2.8:5000/v3',
      BLOCKYARD_GLANCE_USERNAME: 'blockyard',
      BLOCKYARD_GLANCE_PASSWORD: 'planted',
      BLOCKYARD_GLANCE_PROJECT: 'service',
    };
    assert.equal(readStorageConfig(glance).imageDir, '/srv/tmp/image-conversion');
    assert.deepEqual(readStorageConfig(glance).imageService?.account, {
      authUrl: 'https://192.0.2.8:5000/v3',
      username: 'blockyard',
      password: 'planted',
      project: 'service',
      userDomain: 'Default',
      projectDomain: 'Default',
    });
    assert.throws(() => readStorageConfig({ ...glance, BLOCKYARD_GLANCE_PROJECT: undefined }), {
      message: /^BLOCKYARD_GLANCE_PROJECT is not set/,
    });
    assert.throws(() => readStorageConfig({ ...glance, BLOCKYARD_IMAGE_URL: undefined }), {
      message: /^BLOCKYARD_IMAGE_URL is not set/,
    });
  });

  it('never repeats a secret', () => {
    assert.throws(
      () => readStorageConfig({ ...GOOD, BLOCKYARD_SECRET_KEY: 'planted' }),
      (error: Error) =>
        error.message.startsWith('BLOCKYARD_SECRET_KEY') && !error.message.includes('planted'),
    );
  });
});
