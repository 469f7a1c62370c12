import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import type { Kysely } from 'kysely';
import { storageAgentOn } from '#lab/agents.ts';
import type { Lab } from '#lab/lab.ts';
import type { Machine } from '#lab/machine.ts';
import { COMPUTE, STORAGE } from '#lab/nodes.ts';
import { openDatabase } from '#queues/database.ts';
import type { Tables } from '#schema/tables.ts';
import { Client } from '#stack/demo/client.ts';
import { watchArgv } from '#test/support/argv.ts';
import { labOrSkip } from '#test/support/lab.ts';

/** A GiB is read some times over, by an emulated processor. */
const WAIT = { deadlineMs: 600_000 };
const PACKAGING = '/opt/blockyard/packaging';
const SECOND = { vg: 'second', pool: 'pool', disk: '/var/tmp/second' };
const LIO = '/sys/kernel/config/target/iscsi';

/** From one LVM to another, read over LIO by QEMU's own initiator; the flow's steps are tried in test/chaos and test/api. */
describe('a volume moves between storage hosts of the lab', function () {
  this.timeout(30 * 60_000);
  let lab: Lab;
  let client: Client;
  let db: Kysely<Tables>;
  const types: Record<string, string> = {};
  before(async function () {
    lab = await labOrSkip(this);
    client = new Client(lab.stack);
    db = openDatabase(lab.stack.env['DATABASE_URL']!, { connections: 1 });
    for (const backend of ['thin', 'thick']) {
      const { volume_type: type } = await ok('POST', '/types', {
        volume_type: { name: `moves-${backend}`, extra_specs: { volume_backend_name: backend } },
      });
      types[backend] = type.id;
    }
  });
  after(async () => {
    if (lab === undefined) return;
    await removeSecond();
    for (const id of Object.values(types)) await ok('DELETE', `/types/${id}`);
    await db.destroy();
  });

  async function ok(method: string, path: string, body?: object) {
    const answer = await client.ask(method, `/v3/${lab.stack.project}${path}`, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  }

  /** A storage agent on the compute node, whose thin pool lies on a loop device. */
  async function addSecond(): Promise<void> {
    const { vg, pool, disk } = SECOND;
    const backends = `lvm-thin:name=thin,vg=${vg},pool=${pool}`;
    const tree = resolve(import.meta.dirname, '../..');
    for (const { path, content, mode = 0o644 } of await storageAgentOn(
      COMPUTE,
      backends,
      lab.stack.env,
      tree,
    ))
      await lab.compute.sh(`install -D -m ${mode.toString(8)} /dev/stdin ${path}`, { input: content });
    await lab.compute.sh(
      `modprobe -a loop $(grep -v '^#' ${PACKAGING}/modules-load.d/blockyard-storage.conf)
      truncate --size 4G ${disk}
      device=$(losetup --find --show ${disk})
      vgcreate --quiet --devices $device ${vg} $device
      lvcreate --quiet --devices $device --type thin-pool --size 3G --name ${pool} ${vg}
      systemctl daemon-reload
      systemctl start blockyard-storage`,
      { timeoutMs: 300_000 },
    );
    await client.until(
      'its pool',
      `/v3/${lab.stack.project}/scheduler-stats/get_pools`,
      ({ body }) => body.pools.some(({ name }: { name: string }) => name === IN_SECOND),
      WAIT,
    );
  }
  async function removeSecond(): Promise<void> {
    const { vg, disk } = SECOND;
    await lab.compute.sh(
      `systemctl stop blockyard-storage || true
      rm -f /etc/systemd/system/blockyard-storage.service /etc/blockyard/storage.env
      systemctl daemon-reload
      device=$(losetup --noheadings --output NAME --associated ${disk})
      [ -z "$device" ] || { vgremove --quiet --devices $device --force --force ${vg}; losetup --detach $device; }
      rm -rf ${disk} /var/lib/blockyard-storage`,
      { timeoutMs: 300_000 },
    );
    await db.deleteFrom('pools').where('service_host', '=', COMPUTE.name).execute();
    await db
      .deleteFrom('services')
      .where('binary', '=', 'blockyard-storage')
      .where('host', '=', COMPUTE.name)
      .execute();
  }
  const IN_SECOND = `${COMPUTE.name}@thin#thin`;

  const MARKS = [0, 700] as const;
  const device = (vg: string, id: string): string => `/dev/${vg}/volume-${id}`;
  /** Of what has been written: 4 MiB each, at the beginning and far behind it. */
  async function sum(machine: Machine, vg: string, id: string): Promise<string> {
    const read = MARKS.map((at) => `dd if=${device(vg, id)} bs=1M skip=${at} count=4 status=none`);
    return await machine.sh(
      `lvchange --yes -ay -K ${vg}/volume-${id} && { ${read.join(' && ')}; } | sha256sum`,
      { timeoutMs: 120_000 },
    );
  }
  async function assertNothingLeft(): Promise<void> {
    for (const machine of [lab.storage, lab.compute]) {
      const left = await machine.sh(
        `ls ${LIO} 2>/dev/null | grep ':volume-' || true; find /var/lib/blockyard-storage -name 'account-*'`,
      );
      assert.equal(left, '', `on ${machine.name}`);
    }
  }
  /** Of the account that may read the volume from there; the kernel shows it to root while the target has it. */
  async function secretOf(machine: Machine, id: string): Promise<string> {
    return await machine.sh(
      `for _ in $(seq 1200); do
        cat ${LIO}/*:volume-${id}/tpgt_1/acls/*/auth/password 2>/dev/null | grep . && exit 0
        sleep 0.2
      done; exit 1`,
      { timeoutMs: WAIT.deadlineMs },
    );
  }

  /** Moves it, and looks at what both hosts show meanwhile and afterwards. */
  async function moves(
    id: string,
    [from, fromVg]: readonly [Machine, string],
    [to, toVg]: readonly [Machine, string],
    action: object,
  ): Promise<void> {
    const before = await sum(from, fromVg, id);
    const watching = [await watchArgv(from), await watchArgv(to)];
    const [secret] = await Promise.all([secretOf(from, id), ok('POST', `/volumes/${id}/action`, action)]);
    await client
      .until(
        'it has moved',
        `/v3/${lab.stack.project}/volumes/${id}`,
        ({ body }) => body.volume.status === 'available' && body.volume.migration_status === 'success',
        { ...WAIT, hopeless: ({ body }) => body.volume.migration_status === 'error' },
      )
      .catch(async (error: unknown) => {
        const { operations } = await ok('GET', `/operations?volume_id=${id}`);
        throw new Error(JSON.stringify(operations), { cause: error });
      });
    const seen = (await Promise.all(watching.map((stop) => stop()))).join('\n');
    assert.match(seen, new RegExp(`account-${id}`), 'the copy has been seen at work');
    assert.ok(secret.length >= 12 && !seen.includes(secret), 'no secret in argv');
    assert.equal(await sum(to, toVg, id), before);
    assert.equal(await from.sh(`lvs --noheadings -o lv_name ${fromVg} | grep ${id} || true`), '');
    await assertNothingLeft();
  }

  it('migrates to another host, and back by a thick type', async () => {
    const { volume } = await ok('POST', '/volumes', { volume: { size: 1, volume_type: types['thin'] } });
    const id: string = volume.id;
    await client.volumeIs(id, 'available', WAIT);
    const first = [lab.storage, lab.volumeGroup] as const;
    const second = [lab.compute, SECOND.vg] as const;
    const fill = MARKS.map(
      (at) =>
        `head -c 4M /dev/urandom | dd of=${device(lab.volumeGroup, id)} bs=1M seek=${at} iflag=fullblock oflag=direct status=none`,
    );
    await lab.storage.sh(`lvchange -ay -K ${lab.volumeGroup}/volume-${id} && ${fill.join(' && ')}`);
    await addSecond();

    await moves(id, first, second, { 'os-migrate_volume': { host: IN_SECOND } });
    await moves(id, second, first, {
      'os-retype': { new_type: types['thick'], migration_policy: 'on-demand' },
    });
    const { volume: moved } = await ok('GET', `/volumes/${id}`);
    assert.equal(moved['os-vol-host-attr:host'], `${STORAGE.name}@thick#thick`);
    const segment = await lab.storage.sh(`lvs --noheadings -o segtype ${lab.volumeGroup}/volume-${id}`);
    assert.equal(segment.trim(), 'linear');

    await ok('DELETE', `/volumes/${id}`);
    await client.until('404', `/v3/${lab.stack.project}/volumes/${id}`, ({ status }) => status === 404, WAIT);
  });
});
