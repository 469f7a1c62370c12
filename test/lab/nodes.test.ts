import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { execa } from 'execa';
import { settingsOf } from '#lab/agents.ts';
import type { Lab } from '#lab/lab.ts';
import { COMPUTE, STORAGE } from '#lab/nodes.ts';
import { agentsUp } from '#lab/readiness.ts';
import { labOrSkip } from '#test/support/lab.ts';

describe('lab nodes', function () {
  this.timeout(400_000);
  let lab: Lab;

  before(async function () {
    lab = await labOrSkip(this);
  });

  it('the kernel has what the production path needs', async () => {
    await lab.storage.sh(
      'modprobe -a dm_thin_pool target_core_iblock iscsi_target_mod && ls /sys/kernel/config/target',
    );
    await lab.compute.sh(
      'modprobe -a iscsi_tcp dm_multipath && test -c /dev/kvm && systemctl is-active iscsid libvirtd',
    );
  });

  it('the volume group is there, with the thin pool', async () => {
    const report = await lab.storage.sh(
      `lvs --devices ${lab.physicalVolume} --noheadings -o lv_name,segtype ${lab.volumeGroup}`,
    );
    assert.match(report, new RegExp(`^\\s*${lab.thinPool}\\s+thin-pool`, 'm'));
  });

  it('the project tree is shared and cannot be written, and the host’s data are not in it', async () => {
    for (const machine of [lab.storage, lab.compute]) {
      assert.match(await machine.sh('cat /opt/blockyard/package.json'), /"name": "blockyard"/);
      assert.notEqual((await machine.exec('touch /opt/blockyard/package.json')).exitCode, 0);
      assert.equal(await machine.sh('ls /opt/blockyard/.data'), '');
    }
  });

  it('a command’s exit code, output and errors come back apart', async () => {
    const { exitCode, stdout, stderr } = await lab.compute.exec(
      'read -r line; echo "$line"; echo no >&2; exit 7',
      {
        input: 'yes\n',
      },
    );
    assert.deepEqual({ exitCode, stdout, stderr }, { exitCode: 7, stdout: 'yes', stderr: 'no' });
  });

  it('the nodes reach each other on all three addresses of the private network', async () => {
    for (const address of STORAGE.addresses) await lab.compute.sh(`ping -c 1 -W 5 ${address}`);
    for (const address of COMPUTE.addresses) await lab.storage.sh(`ping -c 1 -W 5 ${address}`);
  });

  it('nobody else reaches the private network: the host has no way there', async () => {
    const addresses = [...STORAGE.addresses, ...COMPUTE.addresses];
    const { stdout } = await execa('ip', ['-brief', 'address'], { reject: false });
    for (const address of addresses) assert.ok(!stdout.includes(`${address}/`), `the host has ${address}`);
    const word = randomUUID();
    const [ipv4] = STORAGE.addresses;
    const speak = `import socket
server = socket.create_server(("${ipv4}", 3999))
while True: server.accept()[0].sendall(b"${word}")`;
    await lab.storage.sh(`systemd-run --quiet --unit speaker python3 -c '${speak}'
      until ss -Hltn 'sport = 3999' | grep -q .; do sleep 0.1; done`);
    // What is heard counts: some hosts' way out answers for every address.
    const listen = (address: string, seconds: number): string =>
      `timeout ${seconds} bash -c 'cat </dev/tcp/${address}/3999' || true`;
    // The node's other address is on QEMU's user network, which lets nothing but ssh in.
    for (const address of [ipv4, '10.0.2.15'])
      assert.ok(!(await execa('bash', ['-c', listen(address, 3)], { reject: false })).stdout.includes(word));
    assert.equal(await lab.compute.sh(listen(ipv4, 5)), word);
    await lab.storage.sh('systemctl stop speaker');
  });

  it('an agent holds no password of the database', async () => {
    for (const [machine, node] of [
      [lab.storage, STORAGE],
      [lab.compute, COMPUTE],
    ] as const) {
      const environment = await machine.sh(`cat ${settingsOf(node)}`);
      assert.match(environment, /^REDIS_URL=/m);
      assert.doesNotMatch(environment, /DATABASE_URL|mysql:/);
    }
  });

  it('demo-instance1 has booted, answers on its console, and is a server of the API', async () => {
    assert.deepEqual(await lab.instance.command('list'), ['disk vda serial=own-disk bytes=67108864']);
    const response = await fetch(`${lab.stack.apiUrl}/compute/v2.1/servers/${lab.instance.id}`, {
      headers: { 'X-Auth-Token': lab.stack.adminToken },
    });
    const { server } = (await response.json()) as { server: { name: string; status: string } };
    assert.deepEqual(
      { name: server.name, status: server.status },
      { name: lab.instance.name, status: 'ACTIVE' },
    );
  });

  it('a node that loses its power comes back by itself, with its disks and its agent', async () => {
    const boot = 'cat /proc/sys/kernel/random/boot_id';
    const [before, since] = [await lab.storage.sh(boot), new Date()];
    await lab.storage.sh('echo kept >/root/kept && sync; echo lost >/root/lost');
    await lab.storage.reset();
    assert.notEqual(await lab.storage.sh(boot), before);
    assert.equal(await lab.storage.sh('cat /root/kept'), 'kept');
    assert.equal((await lab.storage.exec('test -s /root/lost')).exitCode, 1);
    await lab.storage.sh(`vgs --devices ${lab.physicalVolume} ${lab.volumeGroup}`);
    await agentsUp(lab.stack, since);
  });
});
