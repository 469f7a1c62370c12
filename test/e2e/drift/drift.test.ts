import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DriftRig, type Told } from './rig.ts';

/** Each kind of difference is made on purpose, found, explained, repaired, and then there is none. */
describe('drift', function () {
  this.timeout(120_000);
  let rig: DriftRig;
  let [attached, other, free] = ['', '', ''];

  before(async () => {
    rig = await DriftRig.start();
    [attached, other, free] = [await rig.volume('one'), await rig.volume('two'), await rig.volume('three')];
    await rig.attach(attached);
    await rig.attach(other);
  });
  after(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  /** Exactly these kinds, the first of which is answered. */
  async function found(...kinds: string[]): Promise<Told> {
    const differences = await rig.drift();
    assert.deepEqual(
      differences.map(({ kind }) => kind),
      kinds,
      JSON.stringify(differences, undefined, 1),
    );
    return differences[0]!;
  }

  async function mended(id: string, more: object = {}): Promise<void> {
    const answer = await rig.repair(id, more);
    assert.deepEqual([answer.repaired, answer.error], [true, null], JSON.stringify(answer));
    assert.deepEqual(await rig.drift(), []);
  }

  const tidOf = async (volume: string): Promise<number> =>
    (await rig.tgt.targets()).find(({ name }) => name.endsWith(volume))!.tid;

  it('is none where all is well', async () => {
    assert.deepEqual(await rig.drift(), []);
  });

  it('finds an initiator that was shut out by hand, with the operation that let it in', async () => {
    const [target] = (await rig.tgt.targets()).filter(({ name }) => name.endsWith(attached));
    await rig.tgt.unbindInitiator(target!.tid, target!.initiators[0]!);
    const difference = await found('acl-missing', 'session-extra').catch(() => found('acl-missing'));
    assert.equal(difference.volume_id, attached);
    assert.match(difference.cause ?? '', /volume\.attach .*, done/);
    assert.ok(difference.operation_id);
    await mended(difference.id);
  });

  it('finds an initiator that was let in by hand', async () => {
    await rig.tgt.bindInitiator(await tidOf(attached), 'iqn.2010-10.org.example:stranger');
    const difference = await found('acl-extra');
    assert.equal(difference.care, 'safe');
    await mended(difference.id);
  });

  it('finds the export of a volume that nobody has', async () => {
    await rig.tgt.createTarget(4_711, `iqn.2010-10.org.blockyard:volume-${free}`);
    await mended((await found('export-extra')).id);
    const nobody = randomUUID();
    await rig.tgt.createTarget(4_712, `iqn.2010-10.org.blockyard:volume-${nobody}`);
    const difference = await found('export-orphan');
    assert.equal(difference.volume_id, nobody);
    await mended(difference.id);
  });

  it('finds an orphan file, and removes it only by its name and with the word that data may go', async () => {
    const orphan = randomUUID();
    await writeFile(rig.file(`volume-${orphan}`), 'somebody’s data');
    const difference = await found('volume-orphan');
    assert.equal(difference.care, 'data');
    const refused = await rig.v3('POST', '/drift/repair', { item: difference.id });
    assert.equal(refused.status, 400);
    await mended(difference.id, { delete_data: true });
  });

  it('finds what operations that were cut short have left', async () => {
    for (const name of [`filling-${randomUUID()}`, `copying-${free}`, `deleting-${randomUUID()}`]) {
      await writeFile(rig.file(name), 'half');
      const difference = await found('leftover');
      assert.equal(difference.care, 'named');
      await mended(difference.id);
    }
    await writeFile(rig.file(`snapshot-${randomUUID()}`), 'data');
    await mended((await found('snapshot-orphan')).id, { delete_data: true });
  });

  it('finds a volume of another size, and one that is not there', async () => {
    await truncate(rig.file(`volume-${free}`), 2 ** 29);
    await mended((await found('volume-smaller')).id);
    await truncate(rig.file(`volume-${free}`), 2 ** 31);
    assert.equal((await found('volume-larger')).care, 'none');
    await truncate(rig.file(`volume-${free}`), 2 ** 30);
    await rm(rig.file(`volume-${free}`));
    const difference = await found('volume-missing');
    const { status } = await rig.v3('POST', '/drift/repair', { item: difference.id });
    assert.equal(status, 409);
    await writeFile(rig.file(`volume-${free}`), '');
    await truncate(rig.file(`volume-${free}`), 2 ** 30);
    assert.deepEqual(await rig.drift(), []);
  });

  it('finds limits that were changed in one of the two definitions', async () => {
    const device = (await rig.virsh('domblklist', rig.server)).match(/(vd[a-z])\s/)?.[1] ?? '';
    await rig.virsh('blkdeviotune', rig.server, device, '--total-iops-sec', '77', '--config');
    const difference = await found('limits');
    await mended(difference.id);
  });

  it('finds a disk that its definition opens in another way', async () => {
    const was = await rig.virsh('dumpxml', rig.server, '--inactive');
    const file = join(rig.dir, 'changed.xml');
    const define = async (change: (disk: string) => string): Promise<void> => {
      const disks = new RegExp(`<disk (?:(?!</disk>)[^])*ua-${attached}(?:(?!</disk>)[^])*</disk>`);
      await writeFile(file, was.replace(disks, change));
      await rig.virsh('define', file);
    };
    await define((disk) => disk.replace(`cache='none'`, `cache='writeback'`));
    assert.equal((await found('disk-driver')).volume_id, attached);
    const secret = `<secret type='passphrase' uuid='${randomUUID()}'/>`;
    await define((disk) =>
      disk.replace('</source>', `<encryption format='luks'>${secret}</encryption></source>`),
    );
    const difference = await found('disk-encryption');
    assert.deepEqual([difference.volume_id, difference.care], [attached, 'none']);
    await define((disk) => disk);
    assert.deepEqual(await rig.drift(), []);
  });

  it('finds a guest that was not told that its disk has grown', async () => {
    await rig.db
      .updateTable('volumes')
      .set({ size_gib: 2 })
      .where('id', '=', attached as never)
      .execute();
    await truncate(rig.file(`volume-${attached}`), 2 ** 31);
    const [sums, smaller] = (await rig.drift()).toSorted((a, b) => (a.kind < b.kind ? 1 : -1));
    assert.deepEqual([sums?.kind, smaller?.kind, smaller?.care], ['pool-sums', 'disk-smaller', 'safe']);
    await rig.repair(sums?.id ?? '');
    await mended(smaller?.id ?? '');
  });

  it('finds a disk that the definition or the guest has lost', async () => {
    await rig.virsh('detach-device-alias', rig.server, `ua-${attached}`, '--config');
    await mended((await found('disk-not-persistent')).id);
  });

  it('finds a disk for which there is no attachment, and a secret that nobody uses', async () => {
    await rig.db
      .deleteFrom('attachments')
      .where('volume_id', '=', other as never)
      .execute();
    const kinds = (await rig.drift()).map(({ kind }) => kind);
    assert.deepEqual(kinds.toSorted(), ['disk-extra', 'session-extra', 'volume-status']);
    await rig.virsh('detach-device-alias', rig.server, `ua-${other}`, '--config');
    // The guest stands still and cannot let go; without power it need not.
    await rig.virsh('destroy', rig.server);
    for (const kind of ['export-extra', 'secret-extra', 'volume-status']) {
      const difference = (await rig.drift()).find((each) => each.kind === kind);
      assert.ok(difference, kind);
      assert.equal((await rig.repair(difference.id)).repaired, true);
    }
    assert.deepEqual(await rig.drift(), []);
  });

  it('finds sums and marks that are wrong', async () => {
    await rig.db.updateTable('pools').set({ allocated_gib: 4_711 }).execute();
    await mended((await found('pool-sums')).id);
    await rig.db
      .updateTable('volumes')
      .set({ operation_id: randomUUID() as never })
      .where('id', '=', free as never)
      .execute();
    await mended((await found('volume-held')).id);
    await rig.db
      .updateTable('volumes')
      .set({ status: 'extending' })
      .where('id', '=', free as never)
      .execute();
    await mended((await found('volume-status')).id);
  });

  it('finds an image whose data are gone', async () => {
    const { body: image } = await rig.call('POST', '/image/v2/images', {
      name: 'lost',
      disk_format: 'raw',
      container_format: 'bare',
    });
    const path = `/image/v2/images/${image.id}`;
    const stored = await fetch(`${rig.stack.apiUrl}${path}/file`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': rig.stack.adminToken, 'Content-Type': 'application/octet-stream' },
      body: Buffer.alloc(4_096),
    });
    assert.equal(stored.status, 204);
    assert.deepEqual(await rig.drift(), []);
    const file = (await readdir(rig.stack.runDir, { recursive: true })).find((each) =>
      each.endsWith(image.id),
    );
    await truncate(join(rig.stack.runDir, file!), 512);
    await found('image-size');
    await rm(join(rig.stack.runDir, file!));
    assert.equal((await found('image-missing')).care, 'none');
    await rig.call('DELETE', path);
    assert.deepEqual(await rig.drift(), []);
  });

  it('is told and mended from the shell: all that is safe, and nothing else', async () => {
    const orphan = rig.file(`volume-${randomUUID()}`);
    await writeFile(orphan, 'data');
    await rig.db.updateTable('pools').set({ volume_count: 99 }).execute();
    const told = await rig.cli('drift');
    assert.equal(told.code, 3);
    assert.match(told.text, /pool-sums[^]*--all[^]*volume-orphan[^]*--delete-data/);
    const all = await rig.cli('drift', '--all');
    assert.equal(all.code, 3);
    assert.match(all.text, /pool-sums.*: repaired\n[^]*volume-orphan/);
    assert.ok(existsSync(orphan));
    const id = /\S+:volume-orphan:\S+/.exec(all.text)?.[0] ?? '';
    assert.equal((await rig.cli('drift', '--repair', id)).code, 1);
    assert.equal((await rig.cli('drift', '--repair', id, '--delete-data')).code, 0);
    assert.ok(!existsSync(orphan));
    assert.equal((await rig.cli('drift')).code, 0);
  });

  it('finds a server that is nowhere any more', async () => {
    await rig.virsh('undefine', rig.server);
    const difference = await found('server-gone');
    await mended(difference.id);
    await rig.volumeIs(attached, 'available');
  });

  it('tells of a host that does not answer, and takes nothing there for gone', async () => {
    const storage = rig.stack.processes.get('storage')!;
    await storage.stop();
    const { body } = await rig.v3('GET', '/drift');
    assert.deepEqual([body.differences, body.unknown.length], [[], 1], JSON.stringify(body));
    assert.match(body.unknown[0].reason, /is away/);
    storage.start();
  });
});
