import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Stack } from '#stack/environment.ts';
import { type MariadbServer, startMariadb } from '#stack/servers/mariadb.ts';
import { promises, startLoad, startMakers, until } from './load.ts';

const execute = promisify(execFile);
const PASSWORD = 'failover';

/** As docs/durability.md asks for: a commit is answered only when the replica has it. */
const SEMI_SYNC = `SET GLOBAL rpl_semi_sync_master_timeout = 3600000;
  SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC; SET GLOBAL rpl_semi_sync_master_enabled = 1`;
const PRIMARY = `log-bin = binlog
server-id = 1
`;
const REPLICA = `log-bin = binlog
log-slave-updates
server-id = 2
read-only = 1
rpl-semi-sync-slave-enabled = 1
`;

describe('MySQL failover', function () {
  this.timeout(180_000);
  let dir: string;
  let primary: MariadbServer;
  let replica: MariadbServer;
  let stack: Stack;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-mf-'));
    [primary, replica] = await Promise.all([
      startMariadb({ dir: join(dir, 'a'), password: PASSWORD, settings: PRIMARY }),
      startMariadb({ dir: join(dir, 'b'), password: PASSWORD, settings: REPLICA }),
    ]);
    await sql(primary, "GRANT REPLICATION SLAVE ON *.* TO blockyard@'127.0.0.1'");
    await sql(
      replica,
      `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${primary.port}, MASTER_USER='blockyard',
       MASTER_PASSWORD='${PASSWORD}', MASTER_USE_GTID=slave_pos; START SLAVE`,
    );
    await until('the replica follows', async () => (await slave(replica)).get('Slave_SQL_Running') === 'Yes');
    await sql(primary, SEMI_SYNC);
    await until('commits wait for the replica', async () =>
      /Rpl_semi_sync_master_clients\s+1/.test(
        await sql(primary, "SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'"),
      ),
    );
    stack = await startMakers(join(dir, 'run'), {
      DATABASE_URL: `mysql://blockyard:${PASSWORD}@127.0.0.1:${primary.port}/blockyard?failover=127.0.0.1:${replica.port}`,
    });
  });
  after(async () => {
    await stack?.stop();
    await primary?.stop();
    await replica?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  });

  it('loses nothing that was accepted when the primary dies under load', async () => {
    const load = startLoad(stack);
    await promises(load, 100);
    process.kill(primary.pid, 'SIGKILL');
    const died = performance.now();
    await promote(replica);
    await promises(load, 1);
    const awayMs = performance.now() - died;
    await promises(load, 100);
    const kept = await load.settle();
    console.log(
      `        ${load.accepted()} accepted, ${load.refused()} refused while nobody wrote (${awayMs.toFixed(0)} ms); ${kept} as promised`,
    );
  });

  it('goes to the other server when its own becomes a replica', async () => {
    primary = await startMariadb({
      dir: join(dir, 'c'),
      password: PASSWORD,
      port: primary.port,
      settings: 'read-only = 1\n',
    });
    const load = startLoad(stack);
    await promises(load, 20);
    // Nothing was written to the one that only reads, though it is the first in the list.
    assert.equal(await sql(primary, "SHOW TABLES FROM blockyard LIKE 'volumes'"), '');
    await load.settle();
  });
});

/** As a failover manager does: all that the replica has received counts, then it takes writes. */
async function promote(replica: MariadbServer): Promise<void> {
  await sql(replica, 'STOP SLAVE IO_THREAD');
  await until('the replica has applied all', async () => {
    const status = await slave(replica);
    return (
      status.get('Exec_Master_Log_Pos') === status.get('Read_Master_Log_Pos') &&
      status.get('Relay_Master_Log_File') === status.get('Master_Log_File')
    );
  });
  await sql(
    replica,
    'STOP SLAVE; RESET SLAVE ALL; SET GLOBAL rpl_semi_sync_slave_enabled = 0; SET GLOBAL read_only = 0',
  );
}

async function slave(server: MariadbServer): Promise<Map<string, string>> {
  const lines = (await sql(server, String.raw`SHOW SLAVE STATUS\G`)).split('\n');
  return new Map(lines.map((line) => line.trim().split(/:\s*/, 2) as [string, string]));
}

/** As the server's root, over its socket. */
async function sql({ socket }: MariadbServer, statements: string): Promise<string> {
  const { stdout } = await execute('mariadb', ['--no-defaults', `--socket=${socket}`, '-e', statements]);
  return stdout;
}
