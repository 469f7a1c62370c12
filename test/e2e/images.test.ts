import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Stack, startStack } from '#stack/environment.ts';
import { eventually } from '#test/api/support/hosts.ts';

const execute = promisify(execFile);

/** The stock command line, the real processes and qemu-img: an image becomes a volume, and that an image again. */
describe('images and volumes by the stock command line', () => {
  let dir: string;
  let stack: Stack;
  before(async function () {
    this.timeout(120_000);
    for (const [program, name] of [
      ['openstack', 'python3-openstackclient'],
      ['qemu-img', 'qemu-utils'],
    ] as const) {
      if (await execute(program, ['--version']).catch(() => undefined)) continue;
      console.log(`      skipped: no ${program} here (Debian: ${name})`);
      this.skip();
    }
    dir = await mkdtemp(join(tmpdir(), 'by-i-'));
    stack = await startStack({
      runDir: join(dir, 'run'),
      only: ['api', 'conductor', 'storage'],
      target: 'none',
      hypervisor: 'noop',
      log: () => undefined,
    });
    const { apiUrl, adminToken: token, project } = stack;
    const cloud = {
      auth_type: 'admin_token',
      auth: { token, endpoint: apiUrl },
      volume_endpoint_override: `${apiUrl}/v3/${project}`,
      image_endpoint_override: `${apiUrl}/image`,
      volume_api_version: '3.50',
    };
    // JSON is YAML.
    await writeFile(join(dir, 'clouds.yaml'), JSON.stringify({ clouds: { blockyard: cloud } }));
  });
  after(async () => {
    await stack?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true });
  });

  async function openstack(...words: string[]): Promise<string> {
    const env = { ...process.env, OS_CLIENT_CONFIG_FILE: join(dir, 'clouds.yaml'), OS_CLOUD: 'blockyard' };
    const { stdout } = await execute('openstack', words, { timeout: 60_000, env });
    return stdout;
  }
  const json = async (...words: string[]) => JSON.parse(await openstack(...words, '-f', 'json'));
  const becomes = (kind: string[], name: string, status: string) =>
    eventually(async () => {
      const shown = await json(...kind, 'show', name);
      assert.notEqual(shown.status, 'error');
      assert.equal(shown.status, status);
    }, 60_000);
  const volumeFile = (id: string) => join(stack.runDir, 'volumes', `volume-${id}`);

  it('an image becomes a volume, a snapshot, another volume, and an image again', async function () {
    this.timeout(300_000);
    const data = randomBytes(3 * 1024 ** 2);
    const raw = join(dir, 'disk.raw');
    const qcow2 = join(dir, 'disk.qcow2');
    await writeFile(raw, data);
    await execute('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, qcow2]);
    const created = ['--disk-format', 'qcow2', '--property', 'os_distro=debian'];
    await openstack('image', 'create', '--file', qcow2, ...created, 'disk');

    await openstack('volume', 'create', '--image', 'disk', '--size', '1', 'first');
    await becomes(['volume'], 'first', 'available');
    const first = await json('volume', 'show', 'first');
    assert.equal(first.bootable, 'true');
    assert.equal(first.volume_image_metadata.os_distro, 'debian');
    await assertBegins(volumeFile(first.id), data);

    await openstack('volume', 'snapshot', 'create', '--volume', 'first', 'moment');
    await becomes(['volume', 'snapshot'], 'moment', 'available');
    const [listed] = await json('volume', 'snapshot', 'list');
    assert.equal(listed.Name, 'moment');
    await openstack('volume', 'create', '--snapshot', 'moment', '--size', '2', 'second');
    await becomes(['volume'], 'second', 'available');
    await openstack('volume', 'create', '--source', 'second', '--size', '2', 'third');
    await becomes(['volume'], 'third', 'available');
    await assertBegins(volumeFile((await json('volume', 'show', 'third')).id), data);

    const made = await json('image', 'create', '--volume', 'first', '--disk-format', 'qcow2', 'again');
    await eventually(async () => {
      assert.equal((await json('image', 'show', made.image_id)).status, 'active');
    }, 60_000);
    const saved = join(dir, 'saved');
    await openstack('image', 'save', '--file', saved, made.image_id);
    await execute('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', saved, `${saved}.raw`]);
    await assertBegins(`${saved}.raw`, data);

    await assert.rejects(openstack('volume', 'delete', 'first'), /have snapshots/);
    await openstack('volume', 'delete', '--purge', 'first');
    await eventually(async () => {
      const names = (await json('volume', 'list')).map((volume: { Name: string }) => volume.Name);
      assert.deepEqual(names.toSorted(), ['second', 'third']);
    }, 60_000);
  });

  it('what only pretends to be an image never becomes a volume', async function () {
    this.timeout(120_000);
    const base = join(dir, 'secret');
    await writeFile(base, 'secret');
    const hostile = join(dir, 'hostile.qcow2');
    await execute('qemu-img', ['create', '-f', 'qcow2', '-b', base, '-F', 'raw', hostile, '1M']);
    const create = ['image', 'create', '--file', hostile, '--disk-format', 'qcow2', 'hostile'];
    await assert.rejects(openstack(...create), /backing file/);
    await assert.rejects(
      openstack('image', 'create', '--file', hostile, '--disk-format', 'raw', 'hostile'),
      /refused/,
    );
    const left = await json('image', 'list');
    assert.ok(left.every((item: { Status: string }) => item.Status === 'active'));
  });
});

async function assertBegins(path: string, data: Buffer): Promise<void> {
  await using file = await open(path);
  const { buffer } = await file.read(Buffer.alloc(data.length), 0, data.length, 0);
  assert.ok(buffer.equals(data), `${path} begins otherwise`);
}
