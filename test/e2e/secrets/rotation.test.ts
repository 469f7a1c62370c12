import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecrets } from '#queues/secrets.ts';
import type { VolumeId } from '#schema/ids.ts';
import type { Connection } from '#schema/tasks.ts';
import { targets } from '#stack/demo/host.ts';
import { blockyard } from '#test/bin/blockyard.ts';
import { qemuIo } from '#test/storage-agent/targets/iscsi.ts';
import { SecretYard } from './yard.ts';

/** The procedure of docs/security.md, with every process and a real target. */
describe('a new master key', function () {
  this.timeout(300_000);
  const [old, fresh] = [randomBytes(32).toString('hex'), randomBytes(32).toString('hex')];
  let dir: string;
  let said: string[];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-r-'));
  });
  after(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  const start = (keys: string, server?: string) => {
    said = [];
    return SecretYard.start(
      {
        runDir: join(dir, 'run'),
        log: (name, line) => said.push(`${name}: ${line}`),
        env: { BLOCKYARD_SECRET_KEY: keys },
      },
      server,
    );
  };

  it('takes the place of the old one while everything runs, and then works without it', async () => {
    let server: string;
    let [kept, moved] = ['', ''] as VolumeId[];
    {
      await using yard = await start(old);
      ({ server } = yard);
      [kept, moved] = [await yard.volume(), await yard.volume()];
      await yard.attach(kept);
      await yard.attach(moved);
      // Each attachment has an account and a secret of its own.
      const rows = await accounts(yard);
      const opened = rows.map((row) => createSecrets(old).decrypt(row.chap_secret!, row.volume_id));
      assert.equal(new Set(opened).size, 2);
      await yard.detach(moved);
      await yard.attach(moved);
      const again = (await accounts(yard)).find(({ volume_id }) => volume_id === moved);
      assert.ok(!opened.includes(createSecrets(old).decrypt(again!.chap_secret!, moved)));
    }
    {
      await using yard = await start(`${fresh},${old}`, server);
      const env = { ...yard.stack.env, HOME: dir };
      const busy = await yard.volume();
      // Meanwhile work goes on.
      const [rotated] = await Promise.all([
        blockyard(['secrets', 'rotate'], env),
        yard.attach(busy).then(() => yard.detach(busy)),
      ]);
      assert.equal(rotated.code, 0, rotated.stderr);
      assert.match(rotated.stdout, /^\d+ secrets encrypted anew, \d+ had the first key already\.\n$/);
      const second = await blockyard(['secrets', 'rotate'], env);
      assert.match(second.stdout, /^0 secrets encrypted anew, 2 had the first key already/);
      for (const row of await accounts(yard)) createSecrets(fresh).decrypt(row.chap_secret!, row.volume_id);
    }
    {
      await using yard = await start(fresh, server);
      // The target started empty: the exports are there again, with the accounts that they had.
      await yard.until('the exports are restored', async () => (await targets(yard.stack.env)).length === 2);
      const row = (await accounts(yard)).find(({ volume_id }) => volume_id === kept);
      const login = {
        initiator: row!.initiator!,
        username: row!.chap_username!,
        secret: createSecrets(fresh).decrypt(row!.chap_secret!, kept),
      };
      const connection = JSON.parse(row!.connection!) as Connection;
      assert.match(await qemuIo(connection, login, 'read 0 4k'), /read 4096\/4096 bytes/);
      await yard.detach(kept);
      await yard.detach(moved);
      await yard.attach(kept);
      await yard.detach(kept);
      assert.deepEqual(
        said.filter((line) => /cannot be opened/.test(line)),
        [],
      );
    }
    {
      // The wrong key: what fails says why, and nothing is left half done.
      await using yard = await start(fresh, server);
      await yard.attach(kept);
      await yard.db
        .updateTable('attachments')
        .set({ chap_secret: createSecrets(old).encrypt('a-secret-unknown', kept) })
        .execute();
      const told = await blockyard(['secrets', 'rotate'], yard.stack.env);
      assert.equal(told.code, 1);
      assert.match(told.stderr, new RegExp(`none of the keys opens 1 secrets, of volumes ${kept}`));
      await yard.detach(kept);
    }
  });
});

function accounts(yard: SecretYard) {
  return yard.db.selectFrom('attachments').selectAll().where('chap_secret', 'is not', null).execute();
}
