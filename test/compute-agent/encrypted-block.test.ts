import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { open, readdir, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KeyedMutex } from '#agent/keyed-mutex.ts';
import { systemRunner } from '#agent/run.ts';
import { withEncryption } from '#compute-agent/connectors/encrypted.ts';
import { secretId } from '#compute-agent/connectors/secret-id.ts';
import { attach } from '#compute-agent/disks/attach.ts';
import { detach } from '#compute-agent/disks/detach.ts';
import { resize } from '#compute-agent/disks/resize.ts';
import { luksHeaderBytes } from '#schema/luks.ts';
import type { GuestConsole } from '#stack/guest/console.ts';
import { createQemuImg } from '#storage-agent/images/qemu-img.ts';
import { Lab, type LabVolume, SECRETS } from './support/lab.ts';

const MIB = 2 ** 20;
const LUKS = { cipher: 'aes-xts-plain64', keyBits: 512 } as const;
const HEADER = luksHeaderBytes(LUKS);
const PASSPHRASE = 'a passphrase that lies nowhere';

/** A block device, as open-iscsi's are; a loop device stands for the kernel's initiator, whose own part test/lab tries. */
describe('a block device with LUKS as a real guest’s disk', function () {
  this.timeout(180_000);
  let lab: Lab;
  let server: string;
  let console: GuestConsole;
  let volume: LabVolume;
  let device: string | undefined;

  const run = async (program: string, ...args: readonly string[]): Promise<string> =>
    (await systemRunner.run(program, args)).stdout.trim();

  before(async function () {
    lab = await Lab.open();
    volume = await lab.volume();
    device = await run('losetup', '--find', '--show', volume.image).catch(() => undefined);
    // In a container or a user namespace there may be none.
    if (device === undefined) this.skip();
    ({ id: server, console } = await lab.guest('guest'));
  });
  after(async () => {
    await console?.[Symbol.asyncDispose]();
    if (device !== undefined) await run('losetup', '--detach', device);
    await lab?.[Symbol.asyncDispose]();
  });

  it('keeps what the guest writes from everybody else, grows, and leaves no secret', async () => {
    const marks = join(lab.dir, 'encrypted');
    const connector = withEncryption(
      {
        ...lab.connector,
        connect: async () => ({ type: 'block', dev: device! }),
        disconnect: async () => {},
        grown: async () => void (await run('losetup', '--set-capacity', device!)),
        canLetGo: async () => true,
      },
      lab.virsh,
      marks,
    );
    const { virsh, events } = lab;
    const deps = {
      virsh,
      events,
      connector,
      secrets: SECRETS,
      servers: new KeyedMutex(),
      detachTimeoutMs: 60_000,
    };
    const secretFile = join(lab.dir, 'passphrase');
    await writeFile(secretFile, PASSPHRASE);
    const sizeBytes = 64 * MIB - HEADER;
    await createQemuImg(systemRunner).formatLuks(device!, { ...LUKS, sizeBytes, secretFile });

    const { mark } = console;
    const luks = { ...LUKS, secret: SECRETS.encrypt(PASSPHRASE, volume.id) };
    await attach(deps, { ...lab.attachment(volume, server), luks });
    const added = `disk vda added serial=${volume.id.slice(0, 20)} bytes=${sizeBytes}$`;
    await console.waitFor(new RegExp(added, 'm'), { mark });
    assert.match(
      (await lab.definitions(server))[1],
      new RegExp(`<source dev='${device}'[^]*<encryption format='luks'`),
    );
    assert.match(await lab.run('secret-list'), new RegExp(secretId(`luks:${volume.id}`)));

    const word = randomUUID();
    await console.command(`write vda 4 ${MIB} ${word}`);
    const sha256 = createHash('sha256')
      .update(Buffer.alloc(4 * MIB, `${word}\n`))
      .digest('hex');
    const sum = [`sum vda bytes=${4 * MIB} sha256=${sha256}`];
    assert.deepEqual(await console.command(`sum vda ${4 * MIB}`), sum);
    await assertSealed(word);

    await truncate(volume.image, 128 * MIB);
    await resize(
      { virsh, connector },
      { volumeId: volume.id, serverId: server, sizeBytes: 128 * MIB - HEADER },
    );
    await console.waitFor(new RegExp(`disk vda resized bytes=${128 * MIB - HEADER}$`, 'm'), { mark });
    assert.deepEqual(await console.command(`sum vda ${4 * MIB}`), sum);

    const gone = { volumeId: volume.id, serverId: server, connection: lab.connection(volume) };
    await detach(deps, gone, lab.context.signal);
    assert.equal(await lab.run('secret-list'), '');
    assert.deepEqual(await readdir(marks), []);
    assert.doesNotMatch(lab.started.join('\n'), new RegExp(PASSPHRASE), 'in no program’s arguments');
  });

  /** LUKS from the first byte, and noise where the guest has written. */
  async function assertSealed(word: string): Promise<void> {
    await using file = await open(volume.image);
    const { buffer } = await file.read(Buffer.alloc(16 * MIB), 0, 16 * MIB, 0);
    assert.equal(buffer.toString('latin1', 0, 8), 'LUKS\u00ba\u00be\0\u0001');
    assert.equal(buffer.includes(word), false);
    const zeroes = buffer.subarray(HEADER, HEADER + 4 * MIB).filter((byte) => byte === 0).length;
    assert.ok(zeroes < MIB, `${zeroes} zeroes where the guest has written`);
  }
});
