import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import { systemRunner } from '#agent/run.ts';
import { sharedMariadb, sharedRedis } from '#test/support/servers.ts';
import { doctorCommand } from '../../bin/commands/doctor/command.ts';
import { machineAt } from '../../bin/commands/doctor/machine.ts';
import { blockyard } from './blockyard.ts';

const KERNEL = '6.1.0-test';
/** No libvirt answers there, whatever the machine that runs the tests has. */
const ENV = { BLOCKYARD_LIBVIRT_URI: 'qemu+unix:///system?socket=/nonexistent' };

describe('blockyard doctor', function () {
  this.timeout(60_000);
  let root: string;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'by-doctor-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  async function files(...entries: (string | readonly [path: string, text: string])[]): Promise<void> {
    for (const entry of entries) {
      const [path, text] = typeof entry === 'string' ? [entry, ''] : entry;
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
  }

  async function examine(): Promise<{ code: number; text: string; line: (name: string) => string }> {
    let text = '';
    const stdout = new Writable({
      write(chunk, _encoding, done) {
        text += String(chunk);
        done();
      },
    });
    const code = await doctorCommand(
      [],
      { stdout, stderr: stdout },
      ENV,
      machineAt(root, systemRunner, KERNEL),
    );
    const line = (name: string): string =>
      new RegExp(`^  (yes|care|no) +${name} {2,}.*(\\n +→.*)?$`, 'm').exec(text)?.[0] ??
      `no line for ${name}:\n${text}`;
    return { code, text, line };
  }

  it('says so when a machine can do nothing but keep files', async () => {
    const { code, text, line } = await examine();
    assert.equal(code, 1);
    assert.match(text, /This machine can not be a storage host, and can not be a hypervisor\./);
    assert.match(line('files'), /yes/);
    assert.match(line('LVM'), /no .*kernel has no dm_mod/);
    assert.match(line('LIO'), /no .*configfs/);
    assert.match(line('tgt'), /apt-get install tgt/);
    assert.match(line('libiscsi'), /apt-get install qemu-block-extra/);
    assert.match(line('libvirt'), /apt-get install libvirt/);
    assert.match(line('QEMU alone'), /apt-get install qemu-system-x86/);
    assert.match(line('Redis'), /apt-get install redis-server/);
  });

  it('is content with tgt alone: a storage host', async () => {
    await files('/usr/sbin/tgtd');
    const { code, text } = await examine();
    assert.equal(code, 0);
    assert.match(text, /can be a storage host, and can not be a hypervisor/);
  });

  it('finds modules that could be loaded, and says how', async () => {
    const modules = ['target_core_mod', 'target_core_iblock', 'iscsi_target_mod', 'configfs'];
    const dep = [...modules, 'iscsi_tcp', 'dm-mod', 'dm-thin-pool'].map(
      (name) => `kernel/x/${name}.ko.xz: kernel/x/y.ko`,
    );
    await files(
      '/usr/sbin/lvm',
      '/usr/sbin/thin_check',
      '/usr/sbin/iscsiadm',
      [`/lib/modules/${KERNEL}/modules.dep`, dep.join('\n')],
      ['/lib/modules/6.1.0-other/modules.dep', 'kernel/kvm.ko:'],
    );
    const { code, line } = await examine();
    assert.equal(code, 0);
    assert.match(line('LVM'), /care .*\n +→ modprobe -a dm_mod$/);
    assert.match(line('LVM thin'), /modprobe -a dm_thin_pool/);
    assert.match(line('LIO'), /care .*modprobe -a target_core_mod target_core_iblock iscsi_target_mod$/s);
    assert.match(line('open-iscsi'), /modprobe -a iscsi_tcp/);
  });

  it('sees what is loaded, built in or mounted', async () => {
    await files(
      '/sbin/lvm',
      ['/proc/misc', '183 hw_random\n236 device-mapper\n'],
      '/sys/kernel/config/target/iscsi/discovery_auth',
      '/usr/sbin/iscsiadm',
      '/run/udev/control',
      ['/proc/net/unix', '0: 2 0 10000 1 1 7 @ISCSIADM_ABSTRACT_NAMESPACE\n'],
      [`/lib/modules/${KERNEL}/modules.builtin`, 'kernel/drivers/scsi/iscsi_tcp.ko\n'],
      '/dev/kvm',
      '/usr/bin/qemu-system-x86_64',
      '/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so',
      '/usr/bin/virsh',
      '/usr/sbin/libvirtd',
    );
    const { text, line } = await examine();
    for (const name of ['LVM', 'LIO', 'open-iscsi', 'libiscsi', 'QEMU with KVM'])
      assert.match(line(name), /^ +yes /);
    assert.match(line('libvirt'), /care .*nothing answers at .*\n.*systemctl start libvirtd/);
    assert.match(text, /can be a storage host, and can be a hypervisor/);
    assert.doesNotMatch(text, /Take care/);
  });

  it('says what open-iscsi and multipathd lack', async () => {
    await files('/usr/sbin/iscsiadm', '/sys/module/iscsi_tcp/version');
    assert.match((await examine()).line('open-iscsi'), /no .*udev does not run/);
    await files('/run/udev/control');
    const { line } = await examine();
    assert.match(line('open-iscsi'), /care .*iscsid does not run\n.*systemctl enable --now iscsid/);
    assert.match(line('multipathd'), /no line/);
    const sockets =
      '@ISCSIADM_ABSTRACT_NAMESPACE\n0: 2 0 10000 1 1 8 @/org/kernel/linux/storage/multipathd\n';
    await files(['/proc/net/unix', sockets]);
    assert.match((await examine()).line('multipathd'), /care .*no_path_retry queue/s);
    await files(['/etc/multipath/conf.d/x.conf', 'overrides {\n  no_path_retry queue\n}\n']);
    const mended = await examine();
    assert.match(mended.line('multipathd'), /yes /);
    assert.match(mended.line('open-iscsi'), /yes .*BLOCKYARD_CONNECTOR=open-iscsi/);
  });

  it('warns of a unit that restores a saved LIO configuration', async () => {
    const wants = '/etc/systemd/system/multi-user.target.wants';
    await files(`${wants}/other.service`, '/etc/rtslib-fb-target/saveconfig.json');
    await symlink(
      '/lib/systemd/system/rtslib-fb-targetctl.service',
      join(root, wants, 'rtslib-fb-targetctl.service'),
    );
    const { text, line } = await examine();
    assert.match(text, /^Take care$/m);
    assert.match(
      line('rtslib-fb-targetctl.service'),
      /clears LIO’s live exports, and then restores \/etc\/rtslib-fb-target\/saveconfig\.json/,
    );
    assert.match(line('rtslib-fb-targetctl.service'), /systemctl disable rtslib-fb-targetctl\.service/);
  });

  it('warns of a saved LIO configuration that holds exports of Blockyard', async () => {
    const id = '0a1b2c3d-0000-4000-8000-00000000000';
    const targets = [
      `iqn.2010-10.org.blockyard:volume-${id}1`,
      `iqn.2010-10.org.blockyard:volume-${id}2`,
      `iqn.2010-10.org.openstack:volume-${id}3`,
      'iqn.2001-04.com.example:disk',
    ].map((wwn) => ({ fabric: 'iscsi', wwn }));
    const saved = (list: unknown[]): string => JSON.stringify({ targets: list }, null, 2);
    await files(
      ['/etc/rtslib-fb-target/saveconfig.json', saved(targets)],
      ['/etc/target/saveconfig.json', saved(targets.slice(2))],
    );
    const { text, line } = await examine();
    assert.match(line('saved exports'), /rtslib-fb-target\S+ holds 2 of Blockyard’s exports/);
    assert.match(line('saved exports'), /auto_save_on_exit=false/);
    assert.doesNotMatch(text, /\/etc\/target\/saveconfig/);
  });

  it('runs as a command, asks Redis and the database for their settings, and tells no password', async () => {
    const env = { REDIS_URL: await sharedRedis(), DATABASE_URL: await sharedMariadb() };
    const { code, stdout, stderr } = await blockyard(['doctor'], env);
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /yes +Redis +\d+\.\S+, maxmemory-policy noeviction, AOF on/);
    assert.match(stdout, /yes +MySQL or MariaDB +\d+\S+, innodb_flush_log_at_trx_commit 1/);
    assert.match(stdout, /vgcreate .*losetup/);
    for (const url of Object.values(env)) assert.ok(!stdout.includes(new URL(url).password || 'no password'));
  });

  it('tells that servers do not answer', async () => {
    const env = {
      REDIS_URL: 'redis://:hidden-word@127.0.0.1:1',
      DATABASE_URL: 'mysql://u:hidden-word@127.0.0.1:1/d',
    };
    const { stdout } = await blockyard(['doctor'], env);
    assert.match(stdout, /no +Redis +REDIS_URL does not answer: /);
    assert.match(stdout, /no +MySQL or MariaDB +DATABASE_URL does not answer: .*ECONNREFUSED/);
    assert.doesNotMatch(stdout, /hidden-word/);
  });

  it('takes no words', async () => {
    const { code, stdout } = await blockyard(['doctor', 'now']);
    assert.deepEqual([code, stdout], [2, '']);
  });
});
