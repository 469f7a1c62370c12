import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Rig } from '#test/chaos/rig.ts';

const execute = promisify(execFile);

/** A dump of MySQL is all that is left of it; Redis is empty; hosts went on working after the dump was made. */
describe('restore of MySQL from a backup', function () {
  this.timeout(240_000);
  let rig: Rig;
  before(async () => {
    rig = await Rig.start();
  });
  after(async () => {
    await rig?.[Symbol.asyncDispose]();
  });

  it('brings MySQL and the hosts together again', async () => {
    const kept = await rig.volume('available', 'kept');
    const attachedSince = await rig.volume('available', 'attached since');
    const detachedSince = await rig.volume('in-use', 'detached since');
    const deletedSince = await rig.volume('available', 'deleted since');
    const dump = await sql(rig, 'mariadb-dump', ['--single-transaction', 'blockyard']);

    await rig.extend(kept, 2);
    await rig.until('it is extended', async () => (await rig.named('kept'))?.size_gib === 2);
    await rig.volume('in-use', 'attached since');
    await rig.detach(detachedSince);
    await rig.delete(deletedSince);
    const madeSince = await rig.volume('available', 'made since');
    await rig.until(
      'it is detached',
      async () => (await rig.named('detached since'))?.status === 'available',
    );
    await rig.until('it is deleted', async () => (await rig.named('deleted since')) === undefined);

    for (const name of ['api', 'conductor']) await rig.stack.processes.get(name)!.stop();
    const file = join(rig.stack.runDir, 'dump.sql');
    await writeFile(file, dump);
    await sql(rig, 'mariadb', ['-e', `SOURCE ${file}`, 'blockyard']);
    await rig.redis.flushall();
    assert.equal((await rig.named('attached since'))?.status, 'available', 'MySQL is as it was');
    const said = await restored(rig);
    console.log(said.replaceAll(/^/gm, '        '));
    assert.match(said, new RegExp(`^attached: volume ${attachedSince} to server ${rig.server} `, 'm'));
    assert.match(said, new RegExp(`^not attached any more: volume ${detachedSince} `, 'm'));
    assert.match(said, /, 0 left as they are$/m);
    for (const name of ['conductor', 'api']) rig.stack.processes.get(name)!.start();
    await rig.apiUp();

    // Nothing that was made since is lost, and nothing in use was taken from its guest.
    assert.ok(existsSync(fileOf(rig, madeSince)));
    await rig.anchor.verify();
    assert.deepEqual(await statuses(rig), {
      anchor: 'in-use',
      bystander: 'available',
      'attached since': 'in-use',
      'deleted since': 'available',
      'detached since': 'available',
      kept: 'available',
    });
    // All of them can be worked with: their numbers are accepted, and the accounts fit.
    await settled(rig);
    await rig.detach(attachedSince);
    await rig.volume('in-use', 'detached since');
    await rig.extend(kept, 3);
    await rig.delete(deletedSince);
    await rig.until('the last of it is done', async () => {
      const now = await statuses(rig);
      return (
        now['attached since'] === 'available' &&
        !('deleted since' in now) &&
        (await rig.named('kept'))?.size_gib === 3
      );
    });
    await rig.anchor.verify();
    const { body } = await rig.call('GET', `/v3/${rig.stack.project}/drift`);
    assert.deepEqual(
      (body.differences as { kind: string; volume_id: string }[]).map(({ kind, volume_id }) => [
        kind,
        volume_id,
      ]),
      [['volume-orphan', madeSince]],
    );
  });
});

function fileOf(rig: Rig, volume: string): string {
  return join(rig.stack.runDir, `volumes/volume-${volume}`);
}

async function statuses(rig: Rig): Promise<Record<string, string>> {
  const rows = await rig.db.selectFrom('volumes').select(['name', 'status']).orderBy('name').execute();
  return Object.fromEntries(rows.map(({ name, status }) => [name ?? '', status]));
}

async function settled(rig: Rig): Promise<void> {
  await rig.until('repairs are done', async () => {
    const busy = await rig.db
      .selectFrom('volumes')
      .select('id')
      .where('operation_id', 'is not', null)
      .execute();
    return busy.length === 0;
  });
}

/** The command refuses while the dump's conductor may be at work: its last sign of life is in the dump. */
async function restored(rig: Rig): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      const env = { ...process.env, ...rig.stack.env };
      return (await execute(process.execPath, ['bin/main.ts', 'restored'], { env })).stdout;
    } catch (error) {
      const { stderr = '', stdout = '' } = error as { stderr?: string; stdout?: string };
      if (attempt > 30 || !stderr.includes('was at work a moment ago'))
        throw new Error(stderr + stdout, { cause: error });
      await sleep(1_000);
    }
  }
}

async function sql(rig: Rig, program: string, args: readonly string[]): Promise<string> {
  const { socket } = rig.stack.servers.mariadb!;
  const words = ['--no-defaults', `--socket=${socket}`, ...args];
  return (await execute(program, words, { maxBuffer: 64 * 2 ** 20 })).stdout;
}
