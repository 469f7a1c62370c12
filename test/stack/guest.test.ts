import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { GuestConsole } from '#stack/guest/console.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import { buildGuest } from '#stack/guest/image.ts';
import { type LibvirtServer, startLibvirt } from '#stack/servers/libvirt.ts';

const SERIAL = '0b1ec7ed-0000-4000-8000-000000000001';

describe('the test guest', function () {
  this.timeout(180_000);
  let dir: string;
  let libvirt: LibvirtServer;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'by-'));
    libvirt = await startLibvirt({ dir: join(dir, 'l'), cacheDir: '.data/cache/libvirt' });
  });
  after(async () => {
    await libvirt?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const virsh = (...args: string[]) => systemRunner.run('virsh', ['--connect', libvirt.uri, ...args]);

  it('sees a disk come, grow, obey its limits and go', async () => {
    const name = 'guest';
    const [consoleSocket, consoleLog] = [join(dir, 'console.sock'), join(dir, 'console.log')];
    const guest = await buildGuest('.data/cache/guest');
    const domain = guestDomainXml({ ...guest, name, uuid: randomUUID(), consoleSocket, consoleLog });
    await writeFile(join(dir, 'domain.xml'), domain);
    await virsh('define', join(dir, 'domain.xml'));
    await virsh('start', name);
    await using console = await GuestConsole.open(consoleSocket, consoleLog);
    await console.waitFor(/^guest: ready$/m);

    const disk = join(dir, 'disk.raw');
    await writeFile(disk, '');
    await truncate(disk, 64 * 2 ** 20);
    await writeFile(
      join(dir, 'disk.xml'),
      `<disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/><source file='${disk}'/>
      <target dev='vdb' bus='virtio'/><serial>${SERIAL}</serial></disk>`,
    );
    await virsh('attach-device', name, join(dir, 'disk.xml'), '--live');
    // The guest names its disks itself: this is its first.
    await console.waitFor(
      new RegExp(`^guest: disk vda added serial=${SERIAL.slice(0, 20)} bytes=67108864$`, 'm'),
    );
    assert.deepEqual(await console.command('list'), [
      `disk vda serial=${SERIAL.slice(0, 20)} bytes=67108864`,
    ]);

    await console.command('write vda 16 1048576 blockyard');
    assert.match((await console.command('sum vda 16777216'))[0] ?? '', /sha256=[0-9a-f]{64}$/);

    await virsh('blkdeviotune', name, 'vdb', '--read-iops-sec', '100', '--live');
    const [limited = ''] = await console.command('read vda 300 4096');
    const milliseconds = Number(/ms=(\d+)$/.exec(limited)?.[1]);
    assert.ok(milliseconds >= 1_500, `300 reads at 100 per second took ${milliseconds} ms`);

    await virsh('blockresize', name, 'vdb', '128MiB');
    await console.waitFor(/^guest: disk vda resized bytes=134217728$/m);

    await virsh('detach-device', name, join(dir, 'disk.xml'), '--live');
    await console.waitFor(/^guest: disk vda removed$/m);
    assert.deepEqual(await console.command('list'), []);
  });
});
