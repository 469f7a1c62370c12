import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { OTHER_PROJECT, startApi, type TestApi, TOKENS } from '../support/api.ts';

const execute = promisify(execFile);

/** The stock command line against our images; it brings its own idea of how Glance behaves. */
describe('openstack image', () => {
  let api: TestApi;
  let dir: string;
  before(async function () {
    const installed = await execute('openstack', ['--version']).catch(() => undefined);
    if (installed === undefined) {
      console.log('      skipped: no openstack command here (Debian: python3-openstackclient)');
      this.skip();
    }
    api = await startApi();
    dir = await mkdtemp(join(tmpdir(), 'blockyard-client-'));
  });
  after(async () => {
    if (api === undefined) return;
    await api[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  async function openstack(...words: string[]): Promise<string> {
    const auth = ['--os-auth-type', 'admin_token', '--os-token', TOKENS.admin];
    const { stdout } = await execute('openstack', [...auth, '--os-endpoint', `${api.url}/image`, ...words], {
      timeout: 60_000,
    });
    return stdout;
  }
  /** As one who has logged in: then nobody has to say where anything is. */
  async function as(token: string, ...words: string[]): Promise<string> {
    const auth = [
      '--os-auth-type',
      'v3token',
      '--os-token',
      token,
      '--os-auth-url',
      `${api.url}/identity/v3`,
    ];
    return (await execute('openstack', [...auth, ...words], { timeout: 60_000 })).stdout;
  }
  const json = async (...words: string[]) => JSON.parse(await openstack(...words, '-f', 'json'));

  it('creates, lists, shows, changes, saves and deletes', async function () {
    this.timeout(180_000);
    const file = join(dir, 'disk.img');
    const data = randomBytes(5 * 1024 ** 2);
    await writeFile(file, data);
    const create = [
      'image',
      'create',
      '--file',
      file,
      '--disk-format',
      'raw',
      '--property',
      'os_distro=debian',
    ];
    const created = await json(...create, '--tag', 'first', 'disk');
    assert.equal(created.name, 'disk');

    const [listed, ...others] = await json('image', 'list', '--long');
    assert.deepEqual(others, []);
    assert.equal(listed.ID, created.id);
    assert.equal(listed.Status, 'active');
    assert.equal(listed.Size, data.length);

    await openstack(
      'image',
      'set',
      '--name',
      'other',
      '--property',
      'hw_disk_bus=virtio',
      '--tag',
      'second',
      '--protected',
      'disk',
    );
    await openstack('image', 'unset', '--tag', 'first', '--property', 'os_distro', 'other');
    const shown = await json('image', 'show', 'other');
    assert.equal(shown.protected, true);
    assert.deepEqual(shown.tags, ['second']);
    assert.equal(shown.properties.hw_disk_bus, 'virtio');
    assert.equal(shown.properties.os_distro, undefined);

    const saved = join(dir, 'saved.img');
    await openstack('image', 'save', '--file', saved, 'other');
    assert.deepEqual(await readFile(saved), data);

    await assert.rejects(openstack('image', 'delete', 'other'), /protected/);
    await openstack('image', 'set', '--unprotected', '--deactivate', 'other');
    assert.equal((await json('image', 'show', 'other')).status, 'deactivated');
    await openstack('image', 'delete', 'other');
    assert.deepEqual(await json('image', 'list'), []);
  });

  it('offers an image to another project, which accepts it', async function () {
    this.timeout(180_000);
    const { member: mine, stranger: theirs } = TOKENS;
    const file = join(dir, 'offer.img');
    await writeFile(file, 'data');
    const create = ['image', 'create', '--shared', '--disk-format', 'raw', '--file', file];
    const created = JSON.parse(await as(mine, ...create, 'offer', '-f', 'json'));
    assert.equal(created.visibility, 'shared');
    const { id } = created;
    await as(mine, 'image', 'add', 'project', 'offer', OTHER_PROJECT);
    const members = async () => JSON.parse(await as(mine, 'image', 'member', 'list', 'offer', '-f', 'json'));
    assert.deepEqual(
      (await members()).map((each: Record<string, string>) => [each['Image ID'], each['Status']]),
      [[id, 'pending']],
    );
    const listed = async (...words: string[]): Promise<string[]> =>
      JSON.parse(await as(theirs, 'image', 'list', ...words, '-f', 'json')).map(
        (each: { ID: string }) => each.ID,
      );
    assert.deepEqual(await listed(), []);
    assert.deepEqual(await listed('--member-status', 'pending'), [id]);
    await as(theirs, 'image', 'set', '--accept', id);
    assert.deepEqual(await listed('--shared'), [id]);
    assert.equal((await members())[0].Status, 'accepted');
    await as(theirs, 'image', 'set', '--reject', id);
    assert.deepEqual(await listed(), []);
    await as(mine, 'image', 'remove', 'project', 'offer', OTHER_PROJECT);
    assert.deepEqual(await members(), []);
    await as(mine, 'image', 'delete', 'offer');
  });
});
