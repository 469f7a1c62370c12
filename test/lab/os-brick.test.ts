import assert from 'node:assert/strict';
import type { Lab } from '#lab/lab.ts';
import { Client } from '#stack/demo/client.ts';
import { labOrSkip } from '#test/support/lab.ts';

const SCRIPT = '/opt/blockyard/test/lab/inside/os-brick.py';
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const WAIT = { deadlineMs: 180_000 };

/** Cinder's other half, as Nova and Cinder's own backup and image services have it on their hosts. */
describe('os-brick on the compute node', function () {
  this.timeout(10 * 60_000);
  let lab: Lab;
  let client: Client;
  let id: string;
  let properties: { readonly multipath: boolean };
  before(async function () {
    lab = await labOrSkip(this);
    client = new Client(lab.stack);
    const { body } = await client.ask('POST', `${project()}/volumes`, { volume: { size: 1 } });
    id = body.volume.id;
    await client.volumeIs(id, 'available', WAIT);
    properties = await brick('properties', { ip: '10.77.0.2' });
  });
  after(async () => {
    if (id === undefined) return;
    await client.ask('DELETE', `${project()}/volumes/${id}`);
    await client.until('404', `${project()}/volumes/${id}`, ({ status }) => status === 404, WAIT);
  });

  const project = () => `/v3/${lab.stack.project}`;
  // What it answers is os-brick's.
  // oxlint-disable-next-line typescript/no-explicit-any
  async function brick(verb: string, input: object): Promise<any> {
    const options = { input: JSON.stringify(input), timeoutMs: 180_000 };
    const { stdout, stderr, exitCode } = await lab.compute.exec(`python3 ${SCRIPT} ${verb}`, options);
    assert.equal(exitCode, 0, `${verb}: ${stderr}`);
    return JSON.parse(stdout);
  }
  async function ok(method: string, path: string, body?: object) {
    const answer = await client.ask(method, `${project()}${path}`, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  }
  /** By what the kernel has of the volume: sessions, disks and maps. */
  const left = (): Promise<string> =>
    lab.compute.sh(`cat /sys/class/iscsi_session/*/targetname 2>/dev/null | grep ${id}
      ls -l /dev/disk/by-path 2>/dev/null | grep ${id}; cat /sys/block/dm-*/dm/name 2>/dev/null; true`);

  async function useIt(connector: { readonly multipath: boolean }, sizeGib: number): Promise<void> {
    const { multipath } = connector;
    const { attachment } = await ok('POST', '/attachments', {
      attachment: { volume_uuid: id, connector },
    });
    try {
      await connected(attachment, multipath, sizeGib);
      assert.equal(await left(), '');
    } finally {
      await ok('DELETE', `/attachments/${attachment.id}`);
    }
    await client.volumeIs(id, 'available', WAIT);
    assert.equal(
      await lab.storage.sh(`ls /sys/kernel/config/target/iscsi | grep volume-${id} || true`),
      '',
      'nothing is exported any more',
    );
  }

  // What the API answered.
  // oxlint-disable-next-line typescript/no-explicit-any
  async function connected(attachment: any, multipath: boolean, sizeGib: number): Promise<void> {
    const connection = attachment.connection_info;
    assert.equal(connection.driver_volume_type, 'iscsi');
    const device = await brick('connect', { connection, multipath });
    try {
      await ok('POST', `/attachments/${attachment.id}/action`, { 'os-complete': {} });
      await client.volumeIs(id, 'in-use', WAIT);
      assert.match(device.path, multipath ? /^\/dev\/dm-\d+$/ : /^\/dev\/sd[a-z]+$/);
      const sessions = (await left()).split('\n').filter((line) => line.startsWith('iqn'));
      assert.equal(sessions.length, multipath ? connection.target_portals.length : 1);

      const word = `os-brick, multipath ${multipath}`;
      await lab.compute.sh(
        `echo '${word}' | dd of=${device.path} bs=4096 conv=sync oflag=direct status=none`,
      );
      const read = (path: string) => `dd if=${path} bs=4096 count=1 iflag=direct status=none | head -1`;
      assert.equal(await lab.compute.sh(read(device.path)), word);
      assert.equal(await lab.storage.sh(read(`/dev/${lab.volumeGroup}/volume-${id}`)), word);

      await ok('POST', `/volumes/${id}/action`, { 'os-extend': { new_size: sizeGib } });
      await client.until(
        `${sizeGib} GiB`,
        `${project()}/volumes/${id}`,
        ({ body }) => body.volume.size === sizeGib && body.volume.status === 'in-use',
        WAIT,
      );
      assert.equal(await brick('extend', { connection, multipath }), sizeGib * GIB);
      await lab.compute.sh(
        `dd if=/dev/zero of=${device.path} bs=${MIB} count=1 seek=${sizeGib * 1024 - 1} oflag=direct status=none`,
      );
    } finally {
      await brick('disconnect', { connection, multipath, device });
    }
  }

  it('connects by one portal, writes, sees the volume grow, and leaves nothing', async () => {
    await useIt(properties, 2);
  });

  it('connects by all portals with multipathd, and leaves nothing', async () => {
    await lab.compute.sh('systemctl start multipathd');
    try {
      await useIt({ ...properties, multipath: true }, 3);
    } finally {
      await lab.compute.sh('systemctl stop multipathd.service multipathd.socket');
    }
  });
});
