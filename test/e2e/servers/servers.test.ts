import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { diskOf } from '#stack/demo/host.ts';
import { ServerRig } from './rig.ts';

const execute = promisify(execFile);

describe('a server that boots from a volume', function () {
  this.timeout(400_000);
  let rig: ServerRig;
  before(async () => {
    rig = await ServerRig.start();
  });
  after(() => rig[Symbol.asyncDispose]());

  it('through the API: from an image, stopped, started, rebooted, with another volume, and deleted', async () => {
    const { stack } = rig;
    const mapping = {
      boot_index: 0,
      source_type: 'image',
      destination_type: 'volume',
      uuid: await rig.uploaded(),
      volume_size: 1,
    };
    const made = await rig.compute('POST', '/servers', {
      server: { name: 'web', flavorRef: '1', networks: 'none', block_device_mapping_v2: [mapping] },
    });
    assert.equal(made.status, 202, JSON.stringify(made.body));
    const { id } = made.body.server;
    const server = await rig.is(id, 'ACTIVE');
    const volume: string = server['os-extended-volumes:volumes_attached'][0].id;
    const greeting = new RegExp(`^guest: greeted vda serial=${volume.slice(0, 20)}\r?$`, 'm');
    assert.match(await rig.bootedTimes(id, 1), greeting);

    await rig.compute('POST', `/servers/${id}/action`, { reboot: { type: 'SOFT' } });
    await rig.is(id, 'ACTIVE');
    await rig.bootedTimes(id, 2);
    await rig.compute('POST', `/servers/${id}/action`, { 'os-stop': null });
    await rig.is(id, 'SHUTOFF');

    const data = await rig.call('POST', `/v3/${stack.project}/volumes`, { volume: { size: 1 } });
    const dataId: string = data.body.volume.id;
    await rig.volumeIs(dataId, 'available');
    await rig.compute('POST', `/servers/${id}/os-volume_attachments`, {
      volumeAttachment: { volumeId: dataId },
    });
    await rig.volumeIs(dataId, 'in-use');
    await rig.compute('POST', `/servers/${id}/action`, { 'os-start': null });
    await rig.is(id, 'ACTIVE');
    await rig.bootedTimes(id, 3);
    assert.equal((await diskOf(stack.env, id, dataId, 'live'))?.device, 'vdb');

    assert.equal((await rig.compute('DELETE', `/servers/${id}`)).status, 204);
    await rig.gone(`/compute/v2.1/servers/${id}`);
    await rig.volumeIs(volume, 'available');
    await rig.volumeIs(dataId, 'available');
    await rig.assertNothingLeft();

    // What the guest wrote on it boots again, and this time the volume goes, too.
    const again = await rig.compute('POST', '/servers', {
      server: {
        name: 'web',
        flavorRef: '1',
        block_device_mapping_v2: [
          { boot_index: 0, source_type: 'volume', uuid: volume, delete_on_termination: true },
        ],
      },
    });
    await rig.is(again.body.server.id, 'ACTIVE');
    await rig.bootedTimes(again.body.server.id, 1);
    await rig.compute('DELETE', `/servers/${again.body.server.id}`);
    await rig.gone(`/compute/v2.1/servers/${again.body.server.id}`);
    await rig.gone(`/v3/${stack.project}/volumes/${volume}`);
    await rig.assertNothingLeft();
  });

  it('comes and goes although its agent dies in the middle', async () => {
    const { body } = await rig.call('POST', `/v3/${rig.stack.project}/volumes`, {
      volume: { size: 1, imageRef: await rig.uploaded() },
    });
    const volume: string = body.volume.id;
    await rig.volumeIs(volume, 'available');
    for (const place of ['server.connected', 'server.defined', 'agent.effected@server.ensure'] as const) {
      let id = '';
      await rig.killAgentAt(place, async () => {
        const mapping = { boot_index: 0, source_type: 'volume', uuid: volume };
        const made = await rig.compute('POST', '/servers', {
          server: { name: place, flavorRef: '1', block_device_mapping_v2: [mapping] },
        });
        id = made.body.server.id;
      });
      await rig.is(id, 'ACTIVE');
      await rig.killAgentAt('server.off', () => rig.compute('DELETE', `/servers/${id}`));
      await rig.gone(`/compute/v2.1/servers/${id}`);
      await rig.volumeIs(volume, 'available');
      await rig.assertNothingLeft();
    }
  });

  it('through the stock command line', async function () {
    const installed = await execute('openstack', ['--version']).catch(() => undefined);
    if (installed === undefined) {
      console.log('      skipped: no openstack command here (Debian: python3-openstackclient)');
      this.skip();
    }
    const { apiUrl, adminToken, project } = rig.stack;
    const clouds = join(rig.dir, 'clouds.yaml');
    // The compute client takes its address from `auth` only, the others are overridden.
    await writeFile(
      clouds,
      JSON.stringify({
        clouds: {
          blockyard: {
            auth_type: 'admin_token',
            auth: { endpoint: `${apiUrl}/compute/v2.1`, token: adminToken },
            volume_endpoint_override: `${apiUrl}/v3/${project}`,
            image_endpoint_override: `${apiUrl}/image`,
            compute_api_version: '2.79',
          },
        },
      }),
      { mode: 0o600 },
    );
    const openstack = async (...words: string[]): Promise<string> => {
      const env = { ...process.env, OS_CLOUD: 'blockyard', OS_CLIENT_CONFIG_FILE: clouds };
      return (await execute('openstack', words, { env, timeout: 180_000 })).stdout;
    };
    const json = async (...words: string[]) => JSON.parse(await openstack(...words, '-f', 'json'));

    await openstack('image', 'create', '--file', rig.image, '--disk-format', 'raw', 'disk');
    await openstack('flavor', 'create', '--ram', '200', '--vcpus', '1', '--disk', '0', 'tiny');
    assert.equal((await json('flavor', 'show', 'tiny')).ram, 200);
    const noNetwork = ['--nic', 'none'];
    const fromImage = ['--image', 'disk', '--boot-from-volume', '1'];
    await openstack('server', 'create', ...fromImage, '--flavor', 'tiny', '--wait', 'first');
    const first = await json('server', 'show', 'first');
    assert.deepEqual([first.status, first.image], ['ACTIVE', 'N/A (booted from volume)']);
    await rig.bootedTimes(first.id, 1);
    assert.match(await openstack('console', 'log', 'show', '--lines', '1', 'first'), /^guest: ready/);

    await openstack('volume', 'create', '--size', '1', 'data');
    await openstack('server', 'add', 'volume', 'first', 'data');
    await rig.volumeIs((await json('volume', 'show', 'data')).id, 'in-use');
    await openstack('server', 'remove', 'volume', 'first', 'data');
    await rig.volumeIs((await json('volume', 'show', 'data')).id, 'available');
    await openstack('server', 'stop', 'first');
    await rig.is(first.id, 'SHUTOFF');
    await openstack('server', 'start', 'first');
    await rig.is(first.id, 'ACTIVE');
    await openstack('server', 'reboot', '--hard', '--wait', 'first');
    const [listed] = await json('server', 'list');
    assert.deepEqual([listed.Name, listed.Status, listed.Flavor], ['first', 'ACTIVE', 'tiny']);
    await openstack('server', 'delete', '--wait', 'first');

    const volumes = await json('volume', 'list', '--long');
    const root = volumes.find(({ Bootable }: { Bootable: string }) => Bootable === 'true');
    assert.equal(root.Status, 'available');
    await openstack(
      'server',
      'create',
      '--volume',
      root.ID,
      '--flavor',
      'm1.tiny',
      ...noNetwork,
      '--wait',
      'second',
    );
    await openstack('server', 'delete', '--wait', 'second');
    await rig.volumeIs(root.ID, 'available');
    await openstack('flavor', 'delete', 'tiny');
    await rig.assertNothingLeft();
  });
});
