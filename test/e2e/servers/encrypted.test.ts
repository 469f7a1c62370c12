import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { diskOf } from '#stack/demo/host.ts';
import { ServerRig } from './rig.ts';

const GIB = 1024 ** 3;
/** aes-xts-plain64 with 512 bits: where the payload begins (QEMU, crypto/block-luks.c). */
const HEADER = 2_068_480;

describe('a server that boots from an encrypted volume', function () {
  this.timeout(400_000);
  let rig: ServerRig;
  before(async () => {
    rig = await ServerRig.start();
  });
  after(() => rig[Symbol.asyncDispose]());

  const volumes = (path = ''): string => `/v3/${rig.stack.project}/volumes${path}`;
  const types = (path = ''): string => `/v3/${rig.stack.project}/types${path}`;
  const fileOf = (id: string): string => join(rig.stack.runDir, `volumes/volume-${id}`);

  it('writes nothing that can be read on the storage host, and leaves no key', async () => {
    const { body: type } = await rig.call('POST', types(), { volume_type: { name: 'secret' } });
    const record = {
      provider: 'luks',
      cipher: 'aes-xts-plain64',
      key_size: 512,
      control_location: 'front-end',
    };
    await rig.call('POST', types(`/${type.volume_type.id}/encryption`), { encryption: record });
    const made = await rig.call('POST', volumes(), {
      volume: { size: 1, imageRef: await rig.uploaded(), volume_type: 'secret' },
    });
    assert.equal(made.status, 202, JSON.stringify(made.body));
    const { id, encrypted, encryption_key_id: key } = made.body.volume;
    assert.equal(encrypted, true);
    assert.match(key, /^[0-9a-f-]{36}$/);
    await rig.volumeIs(id, 'available');

    const server = await boot(id);
    assert.match(await rig.bootedTimes(server, 1), new RegExp(`greeted vda serial=${id.slice(0, 20)}`));
    assert.match(
      (await diskOf(rig.stack.env, server, id, 'inactive'))?.xml ?? '',
      /<encryption format='luks'/,
    );
    assert.equal((await contents(fileOf(id))).subarray(0, 4).toString('latin1'), 'LUKS');
    assert.equal(await holds(fileOf(id), `hello from volume ${id.slice(0, 20)}`), false);

    // It grows while the guest runs, to all but the header.
    await rig.call('POST', volumes(`/${id}/action`), { 'os-extend': { new_size: 2 } });
    await rig.volumeIs(id, 'in-use');
    const resized = new RegExp(`guest: disk vda resized bytes=${2 * GIB - HEADER}\\b`);
    await rig.until('the guest sees it', async () =>
      resized.test(await rig.consoleOf(server)) ? true : undefined,
    );
    const { body: drift } = await rig.call('GET', `/v3/${rig.stack.project}/drift`);
    assert.deepEqual([drift.differences, drift.unknown], [[], []], 'an encrypted disk is as it should be');
    await rig.compute('POST', `/servers/${server}/action`, { 'os-stop': null });
    await rig.is(server, 'SHUTOFF');
    await rig.compute('DELETE', `/servers/${server}`);
    await rig.gone(`/compute/v2.1/servers/${server}`);
    await rig.volumeIs(id, 'available');
    await rig.assertNothingLeft();

    // A copy has a key of its own, and boots when the first one and its key are gone.
    const copy = (await rig.call('POST', volumes(), { volume: { size: 2, source_volid: id } })).body.volume;
    assert.notEqual(copy.encryption_key_id, key);
    await rig.volumeIs(copy.id, 'available');
    assert.equal((await rig.call('DELETE', volumes(`/${id}`))).status, 202);
    await rig.gone(volumes(`/${id}`));
    const second = await boot(copy.id);
    await rig.bootedTimes(second, 1);
    await rig.compute('DELETE', `/servers/${second}`);
    await rig.gone(`/compute/v2.1/servers/${second}`);
    await rig.volumeIs(copy.id, 'available');
    await rig.assertNothingLeft();
  });

  async function boot(volume: string): Promise<string> {
    const mapping = { boot_index: 0, source_type: 'volume', destination_type: 'volume', uuid: volume };
    const made = await rig.compute('POST', '/servers', {
      server: { name: 'web', flavorRef: '1', networks: 'none', block_device_mapping_v2: [mapping] },
    });
    assert.equal(made.status, 202, JSON.stringify(made.body));
    await rig.is(made.body.server.id, 'ACTIVE');
    return made.body.server.id;
  }
});

/** The first bytes: all that the guest's file system keeps near its beginning. */
async function contents(path: string): Promise<Buffer> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(128 * 1024 ** 2), 0, 128 * 1024 ** 2, 0);
  return buffer.subarray(0, bytesRead);
}

async function holds(path: string, text: string): Promise<boolean> {
  return (await contents(path)).includes(text);
}
