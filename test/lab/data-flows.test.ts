import assert from 'node:assert/strict';
import type { Lab } from '#lab/lab.ts';
import { Client } from '#stack/demo/client.ts';
import { labOrSkip } from '#test/support/lab.ts';

/** A thick volume is copied as a whole, under a snapshot that keeps what it had, on an emulated processor. */
const WAIT = { deadlineMs: 300_000 };
const MIB = 2 ** 20;
/** At the beginning of the volume: what is written, and looked at. */
const WATCHED_MIB = 4;

/** What rewrites a volume, and what becomes of its snapshots, with device-mapper; each step's own tests are in test/storage-agent. */
describe('data flows on the storage node', function () {
  this.timeout(20 * 60_000);
  let lab: Lab;
  let client: Client;
  const types: Record<string, string> = {};
  before(async function () {
    lab = await labOrSkip(this);
    client = new Client(lab.stack);
    for (const backend of ['thin', 'thick']) {
      const { volume_type: type } = await ok('POST', `${project()}/types`, {
        volume_type: { name: `flows-${backend}`, extra_specs: { volume_backend_name: backend } },
      });
      types[backend] = type.id;
    }
  });
  after(async () => {
    for (const id of Object.values(types)) await ok('DELETE', `${project()}/types/${id}`);
  });

  const project = () => `/v3/${lab.stack.project}`;
  async function ok(method: string, path: string, body?: object) {
    const answer = await client.ask(method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  }
  async function becomes(path: string, status: string): Promise<void> {
    // What the API answered.
    // oxlint-disable-next-line typescript/no-explicit-any
    const statusOf = (body: any): string => String((body?.volume ?? body?.snapshot)?.status);
    await client.until(status, `${project()}${path}`, ({ body }) => statusOf(body) === status, {
      ...WAIT,
      hopeless: ({ body }) => statusOf(body).startsWith('error'),
    });
  }
  const gone = (path: string) =>
    client.until('404', `${project()}${path}`, ({ status }) => status === 404, WAIT);
  async function deleted(path: string): Promise<void> {
    await ok('DELETE', `${project()}${path}`);
    await gone(path);
  }
  async function volumeOf(backend: string): Promise<string> {
    const { volume } = await ok('POST', `${project()}/volumes`, {
      volume: { size: 1, volume_type: types[backend] },
    });
    await becomes(`/volumes/${volume.id}`, 'available');
    return volume.id;
  }
  async function snapshotOf(volume: string): Promise<string> {
    const { snapshot } = await ok('POST', `${project()}/snapshots`, { snapshot: { volume_id: volume } });
    await becomes(`/snapshots/${snapshot.id}`, 'available');
    return snapshot.id;
  }
  async function reverted(volume: string, snapshot: string): Promise<void> {
    await ok('POST', `${project()}/volumes/${volume}/action`, { revert: { snapshot_id: snapshot } });
    await becomes(`/volumes/${volume}`, 'available');
    await becomes(`/snapshots/${snapshot}`, 'available');
  }
  /** By the name that Cinder leaves a snapshot. @returns its new id */
  async function unmanagedAndManaged(volume: string, snapshot: string): Promise<string> {
    await ok('POST', `${project()}/snapshots/${snapshot}/action`, { 'os-unmanage': {} });
    await gone(`/snapshots/${snapshot}`);
    const { snapshot: again } = await ok('POST', `${project()}/manageable_snapshots`, {
      snapshot: { volume_id: volume, ref: { 'source-name': `_snapshot-${snapshot}` } },
    });
    await becomes(`/snapshots/${again.id}`, 'available');
    return again.id;
  }

  /** A volume that nobody uses need not be active, a thin snapshot never is. */
  const withDevice = (name: string, work: (path: string) => string): Promise<string> =>
    lab.storage.sh(
      `lvchange -y -ay -K ${lab.volumeGroup}/${name} && ${work(`/dev/${lab.volumeGroup}/${name}`)}`,
    );
  const fill = (id: string, letter: string) =>
    withDevice(
      `volume-${id}`,
      (path) =>
        `head -c ${WATCHED_MIB * MIB} /dev/zero | tr '\\0' ${letter} | dd of=${path} bs=1M iflag=fullblock oflag=direct status=none`,
    );
  async function assertHolds(name: string, letter: string): Promise<void> {
    const others = await withDevice(
      name,
      (path) =>
        `dd if=${path} bs=1M iflag=direct count=${WATCHED_MIB} status=none | tr -d ${letter} | head -c 32 | od -c`,
    );
    assert.equal(others.trim(), '0000000', `${name}: nothing but ${letter}`);
  }
  const logicalVolumes = async (): Promise<string[]> =>
    (await lab.storage.sh(`lvs --noheadings -o lv_name ${lab.volumeGroup}`))
      .split('\n')
      .map((line) => line.trim());
  async function assertOnly(volume: string, snapshot: string): Promise<void> {
    const kept = await logicalVolumes();
    const ours = kept.filter((name) => name.includes(volume) || name.includes(snapshot));
    assert.deepEqual(ours.toSorted(), [`_snapshot-${snapshot}`, `volume-${volume}`]);
  }

  it('a thin volume is reverted to its snapshot, again, and after that has been unmanaged and managed', async () => {
    const id = await volumeOf('thin');
    await fill(id, 'A');
    let snapshot = await snapshotOf(id);
    for (const letter of ['B', 'C', 'D']) {
      if (letter === 'D') snapshot = await unmanagedAndManaged(id, snapshot);
      await fill(id, letter);
      await reverted(id, snapshot);
      await assertHolds(`volume-${id}`, 'A');
      await assertOnly(id, snapshot);
    }
    await deleted(`/snapshots/${snapshot}`);
    await deleted(`/volumes/${id}`);
  });

  it('a thick volume is reverted in place and given an image, and its snapshot shows what it always did', async () => {
    const id = await volumeOf('thick');
    await fill(id, 'A');
    const first = await snapshotOf(id);
    await fill(id, 'B');
    await reverted(id, first);
    await assertHolds(`volume-${id}`, 'A');
    await assertHolds(`_snapshot-${first}`, 'A');
    await assertOnly(id, first);

    const snapshot = await unmanagedAndManaged(id, first);
    await assertHolds(`_snapshot-${snapshot}`, 'A');

    const image = await imageOf('E');
    await ok('POST', `${project()}/volumes/${id}/action`, { 'os-reimage': { image_id: image } });
    await becomes(`/volumes/${id}`, 'available');
    await assertHolds(`volume-${id}`, 'E');
    await assertHolds(`_snapshot-${snapshot}`, 'A');
    await assertOnly(id, snapshot);

    await ok('DELETE', `/image/v2/images/${image}`);
    await deleted(`/snapshots/${snapshot}`);
    await deleted(`/volumes/${id}`);
  });

  /** A raw one that holds nothing but this letter. */
  async function imageOf(letter: string): Promise<string> {
    const image = await ok('POST', '/image/v2/images', {
      name: 'flows',
      disk_format: 'raw',
      container_format: 'bare',
    });
    const { status } = await fetch(`${lab.stack.apiUrl}/image/v2/images/${image.id}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': lab.stack.adminToken, 'Content-Type': 'application/octet-stream' },
      body: Buffer.alloc(WATCHED_MIB * MIB, letter),
    });
    assert.equal(status, 204);
    return image.id;
  }
});
