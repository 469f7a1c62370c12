/** `openstack`: what is no command of block storage, and yet about volumes: those of servers, and images. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClientRig, type Walk } from './rig.ts';

describe('openstack’s commands of servers’ volumes and of images', function () {
  this.timeout(240_000);
  let rig: ClientRig;
  let os: Walk;
  before(async () => {
    rig = await ClientRig.start();
    // From there on it can say later whether a volume goes with its server.
    os = rig.walk('openstack', { OS_COMPUTE_API_VERSION: '2.85' });
    await os.run('volume type create', 'one', '--property', 'volume_backend_name=lvm');
  });
  after(() => rig[Symbol.asyncDispose]());

  const statusIs = (kind: string, name: string, status: string) =>
    os.until(
      () => os.json(`${kind} show`, name),
      (shown) => shown.status === status,
    );

  it('volumes of servers', async () => {
    const [{ ID: server }] = await os.json('server list');
    const { id } = await os.json('volume create', '--size', '1', '--type', 'one', 'plug');
    await statusIs('volume', 'plug', 'available');
    const added = await os.json('server add volume', server, 'plug', '--enable-delete-on-termination');
    assert.equal(added['Volume ID'], id);
    await statusIs('volume', 'plug', 'in-use');
    const listed = async () =>
      (await os.json('server volume list', server)).map((row: Record<string, unknown>) => [
        row['Volume ID'],
        row['Delete On Termination?'],
      ]);
    assert.deepEqual(await listed(), [[id, true]]);
    await os.run('server volume update', server, id, '--preserve-on-termination');
    assert.deepEqual(await listed(), [[id, false]]);
    await os.run('server remove volume', server, 'plug');
    await statusIs('volume', 'plug', 'available');
    await os.run('volume delete', 'plug');
  });

  it('images', async () => {
    const data = randomBytes(1024 ** 2);
    const [from, to] = [join(rig.dir, 'from'), join(rig.dir, 'to')];
    await writeFile(from, data);
    const made = await os.json(
      'image create',
      '--disk-format',
      'raw',
      '--file',
      from,
      '--property',
      'a=b',
      'disk',
    );
    assert.deepEqual([made.name, made.disk_format, made.properties.a], ['disk', 'raw', 'b']);
    assert.equal((await statusIs('image', 'disk', 'active')).size, data.length);
    await os.run('image save', '--file', to, 'disk');
    assert.ok(data.equals(await readFile(to)));

    await os.run(
      'image set',
      'disk',
      '--name',
      'picture',
      '--property',
      'c=d',
      '--tag',
      't',
      '--min-disk',
      '1',
    );
    await os.run('image unset', 'picture', '--property', 'a', '--tag', 't');
    const shown = await os.json('image show', 'picture');
    assert.deepEqual(
      [shown.properties.a, shown.properties.c, shown.tags, shown.min_disk],
      [undefined, 'd', [], 1],
    );
    await os.run('image set', 'picture', '--deactivate');
    assert.equal((await os.json('image show', 'picture')).status, 'deactivated');
    await os.run('image set', 'picture', '--activate');

    const other = (await os.json('project create', 'other')).id;
    await os.run('role add', '--project', 'other', '--user', 'admin', 'member');
    await os.run('image set', 'picture', '--shared');
    assert.equal((await os.json('image add project', 'picture', 'other')).status, 'pending');
    await os.run('image set', shown.id, '--accept', '--os-project-name', 'other');
    const members = await os.json('image member list', 'picture');
    assert.deepEqual(
      members.map((row: Record<string, string>) => [row['Member ID'], row['Status']]),
      [[other, 'accepted']],
    );
    await os.run('image remove project', 'picture', 'other');
    assert.deepEqual(await os.json('image member list', 'picture'), []);

    const names = async (...argv: string[]): Promise<string[]> =>
      (await os.json('image list', ...argv)).map((row: Record<string, string>) => row['Name']);
    await os.run('volume create', '--image', 'picture', '--size', '1', '--type', 'one', 'root');
    assert.equal((await statusIs('volume', 'root', 'available')).volume_image_metadata.image_name, 'picture');
    await os.run('image create', '--volume', 'root', 'golden');
    await statusIs('image', 'golden', 'active');
    assert.deepEqual((await names()).toSorted(), ['golden', 'picture']);
    assert.deepEqual(
      await names('--name', 'golden', '--property', 'c=d'),
      ['golden'],
      'as what it was made of',
    );
    assert.deepEqual(await names('--property', 'c=other'), []);
    await os.run('image delete', 'golden', 'picture');
    assert.deepEqual(await names(), []);
  });

  it('leaves none out', async () => {
    const commands = await os.commands('beside');
    assert.ok(commands.length > 10);
    assert.deepEqual(
      commands.filter((command) => !os.walked.has(command)),
      [],
    );
  });
});
