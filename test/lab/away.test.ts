import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Lab } from '#lab/lab.ts';
import { openDatabase } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { Tables } from '#schema/tables.ts';
import { Client } from '#stack/demo/client.ts';
import { labOrSkip } from '#test/support/lab.ts';

const MIB = 2 ** 20;
/** The guest's `churn` writes between 16 and 24 MiB. */
const WATCHED_MIB = 32;

/** LIO, open-iscsi and LVM; the like with tgt and QEMU's initiator is test/e2e/away. */
describe('a hypervisor of the lab that is away', function () {
  this.timeout(20 * 60_000);
  let lab: Lab;
  let client: Client;
  let db: Kysely<Tables>;
  before(async function () {
    lab = await labOrSkip(this);
    client = new Client(lab.stack);
    db = openDatabase(lab.stack.env['DATABASE_URL']!, { connections: 1 });
  });
  after(async () => {
    await db?.destroy();
  });

  const project = () => `/v3/${lab.stack.project}`;
  const until = async (what: string, holds: () => Promise<boolean>, withinMs = 180_000): Promise<void> => {
    const deadline = performance.now() + withinMs;
    while (!(await holds())) {
      assert.ok(performance.now() < deadline, `not within ${withinMs / 1_000} s: ${what}`);
      await sleep(500);
    }
  };
  const cleared = () =>
    until(
      'the host is cleared',
      async () => (await db.selectFrom('evictions').selectAll().execute()).length === 0,
    );

  async function attached(): Promise<string> {
    const made = await client.ask('POST', `${project()}/volumes`, { volume: { size: 1 } });
    const id: string = made.body.volume.id;
    await client.volumeIs(id, 'available', { deadlineMs: 180_000 });
    await attach(id);
    return id;
  }
  async function attach(id: string): Promise<void> {
    const path = `/compute/v2.1/servers/${lab.instance.id}/os-volume_attachments`;
    const { status } = await client.ask('POST', path, { volumeAttachment: { volumeId: id } });
    assert.equal(status, 200);
    await client
      .volumeIs(id, 'in-use', { back: 'available', deadlineMs: 180_000 })
      .catch(async (error: unknown) => {
        const { body } = await client.ask('GET', `${project()}/operations?volume_id=${id}`);
        throw new Error(JSON.stringify(body.operations), { cause: error });
      });
  }
  /** What the guest has called the disk, each time that it has seen it. */
  const namesOf = (id: string): string[] => {
    const pattern = new RegExp(`^guest: disk (\\w+) added serial=${id.slice(0, 20)}`, 'gm');
    return [...lab.instance.text.matchAll(pattern)].map(([, name = '']) => name);
  };
  /** What it calls it now; `before`: how often it had seen it before it was attached. */
  async function diskOf(id: string, before = 0): Promise<string> {
    await until('the guest has the disk', async () => namesOf(id).length > before, 60_000);
    return namesOf(id).at(-1)!;
  }
  async function forced(id: string): Promise<void> {
    await db
      .updateTable('services')
      .set({ last_seen_at: sqlTime(Date.now() - 61_000) })
      .where('binary', '=', 'blockyard-compute')
      .execute();
    const { status } = await client.ask('POST', `${project()}/volumes/${id}/action`, {
      'os-force_detach': {},
    });
    assert.equal(status, 202);
    await client.volumeIs(id, 'available', { deadlineMs: 180_000 });
    assert.equal(
      await lab.storage.sh(`ls /sys/kernel/config/target/iscsi | grep volume-${id} || true`),
      '',
      'LIO has no target of it any more',
    );
  }
  async function gone(id: string): Promise<void> {
    await client.ask('DELETE', `${project()}/volumes/${id}`);
    await client.until('404', `${project()}/volumes/${id}`, ({ status }) => status === 404, {
      deadlineMs: 180_000,
    });
  }
  const sum = (id: string): Promise<string> =>
    lab.storage.sh(
      `dd if=/dev/${lab.volumeGroup}/volume-${id} bs=1M count=${WATCHED_MIB} iflag=direct status=none | sha256sum`,
    );
  const qemu = () => lab.compute.sh(`cat /run/libvirt/qemu/${lab.instance.name}.pid`);
  /** The kernel's number of the device that the volume has on the compute node. */
  const numberOf = (id: string) => lab.compute.sh(`stat -L -c %t:%T /dev/disk/by-path/*:volume-${id}-lun-0`);
  /**
   * Numbers of disks in the `/dev` that libvirt has made for this QEMU. It leaves a node there after every detach, whose owner it has made
   * root again; one that was QEMU's when its device went would be QEMU's still.
   */
  const privateNumbers = async () =>
    (await lab.compute.sh(`stat -c %t:%T /proc/${await qemu()}/root/dev/sd* 2>/dev/null || true`)).split(
      '\n',
    );
  async function assertNothingConnected(id: string): Promise<void> {
    const { compute, instance } = lab;
    const left = [
      await compute.sh('cat /sys/class/iscsi_session/*/targetname 2>/dev/null || true'),
      await compute.sh('find /etc/iscsi/nodes -mindepth 1 2>/dev/null || true'),
      await compute.sh('ls /sys/class/scsi_disk 2>/dev/null || true'),
      await compute.sh('ls /dev/disk/by-path 2>/dev/null | grep iscsi || true'),
      await compute.sh('ls /var/lib/blockyard-compute/compute/connections 2>/dev/null || true'),
      await compute.sh(
        `(virsh dumpxml ${instance.name}; virsh dumpxml --inactive ${instance.name}) | grep ${id} || true`,
      ),
    ];
    assert.deepEqual(
      left,
      left.map(() => ''),
    );
  }

  it('its agent alone is dead: the guest writes on, and nothing of it arrives; then it is cleared', async () => {
    const id = await attached();
    const disk = await diskOf(id);
    const [running, number] = [await qemu(), await numberOf(id)];
    assert.ok((await privateNumbers()).includes(number), 'QEMU has a node of the device');
    await lab.instance.command(`write ${disk} ${WATCHED_MIB} ${MIB} before`, 240_000);
    await lab.instance.command(`churn ${disk}`);
    await lab.compute.sh('systemctl stop blockyard-compute');
    await forced(id);
    const states = await lab.compute.sh('cat /sys/class/iscsi_session/*/state 2>/dev/null || true');
    assert.ok(!states.includes('LOGGED_IN'), states);
    const before = await sum(id);
    await sleep(5_000);
    assert.equal(await sum(id), before);

    await lab.compute.sh('systemctl start blockyard-compute');
    await cleared();
    await assertNothingConnected(id);
    assert.equal(await qemu(), running, 'the guest let go, and runs on');
    // Else it would write to the next disk of that name.
    assert.match((await lab.instance.command('churned', 60_000)).join(), /failed/);
    assert.equal(await sum(id), before);
    assert.ok(
      !(await privateNumbers()).includes(number),
      'QEMU has no node of the lost device, whose number the next one gets',
    );
    const seen = namesOf(id).length;
    await attach(id);
    const again = await diskOf(id, seen);
    const [summed = ''] = await lab.instance.command(`sum ${again} ${WATCHED_MIB * MIB}`, 240_000);
    assert.match(summed, /sha256=/);
    await client.ask('DELETE', `/compute/v2.1/servers/${lab.instance.id}/os-volume_attachments/${id}`);
    await client.volumeIs(id, 'available', { deadlineMs: 180_000 });
    assert.equal(await sum(id), before);
    await gone(id);
  });

  it('it has lost its power: it comes back without the volume, and its guest runs', async () => {
    const id = await attached();
    await lab.compute.powerOff();
    await forced(id);
    const before = await sum(id);
    await lab.compute.powerOn();
    await cleared();
    await lab.instance.rebooted();
    await assertNothingConnected(id);
    assert.equal(await sum(id), before);
    await gone(id);
  });
});
