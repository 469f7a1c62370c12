import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import type { Lab } from '#lab/lab.ts';
import type { Machine } from '#lab/machine.ts';
import { openDatabase } from '#queues/database.ts';
import { createSecrets } from '#queues/secrets.ts';
import { asId, type EncryptionKeyId } from '#schema/ids.ts';
import { luksHeaderBytes } from '#schema/luks.ts';
import type { Tables } from '#schema/tables.ts';
import { Client } from '#stack/demo/client.ts';
import { watchArgv } from '#test/support/argv.ts';
import { labOrSkip } from '#test/support/lab.ts';

/** QEMU measures an emulated processor when it formats, in a machine that may be busy. */
const WAIT = { deadlineMs: 600_000 };
const MIB = 2 ** 20;
const GIB = 2 ** 30;
/** What the guest writes at the beginning of its disk, and what is looked at of the volume: the header is before it. */
const WRITTEN = 4 * MIB;
const WATCHED = 16 * MIB;
const KEY_BITS = 512;
const HEADER = luksHeaderBytes({ keyBits: KEY_BITS });

/** From the API to a running guest; what only a storage agent is asked for is tried in inside/encrypted.ts. */
describe('an encrypted volume in the lab', function () {
  this.timeout(20 * 60_000);
  let lab: Lab;
  let client: Client;
  let db: Kysely<Tables>;
  let type: string;
  before(async function () {
    lab = await labOrSkip(this);
    client = new Client(lab.stack);
    db = openDatabase(lab.stack.env['DATABASE_URL']!, { connections: 1 });
    const extra_specs = { volume_backend_name: lab.backendName };
    const made = await ok('POST', v3('/types'), { volume_type: { name: 'sealed', extra_specs } });
    type = made.volume_type.id;
    const [cipher, control_location] = ['aes-xts-plain64', 'front-end'];
    await ok('POST', v3(`/types/${type}/encryption`), {
      encryption: { provider: 'luks', cipher, key_size: KEY_BITS, control_location },
    });
  });
  after(async () => {
    if (type !== undefined) await ok('DELETE', v3(`/types/${type}`));
    await db?.destroy();
  });

  const v3 = (path: string): string => `/v3/${lab.stack.project}${path}`;
  async function ok(method: string, path: string, body?: object) {
    const answer = await client.ask(method, path, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  }
  async function is(id: string, status: string, back = 'error') {
    return await client.volumeIs(id, status, { back, ...WAIT }).catch(async (error: unknown) => {
      const { operations } = await ok('GET', v3(`/operations?volume_id=${id}`));
      throw new Error(JSON.stringify(operations), { cause: error });
    });
  }

  const keyOf = async (id: string) =>
    await db
      .selectFrom('encryption_keys')
      .select('secret')
      .where('id', '=', asId<EncryptionKeyId>(id))
      .executeTakeFirst();

  /** What the guest's console has said, as often as it takes. @returns the pattern's first group */
  async function guestSays(pattern: RegExp): Promise<string> {
    const deadline = performance.now() + WAIT.deadlineMs;
    for (;;) {
      const found = pattern.exec(lab.instance.text)?.[1];
      if (found !== undefined) return found;
      assert.ok(performance.now() < deadline, `the guest did not say ${pattern}`);
      await sleep(250);
    }
  }
  async function assertGuestReads(disk: string, sha256: string): Promise<void> {
    const said = await lab.instance.command(`sum ${disk} ${WRITTEN}`, WAIT.deadlineMs);
    assert.deepEqual(said, [`sum ${disk} bytes=${WRITTEN} sha256=${sha256}`]);
  }

  /** LUKS from the first byte, and noise where the guest has written. */
  async function assertSealed(id: string, word: string): Promise<void> {
    const path = `/dev/${lab.volumeGroup}/volume-${id}`;
    const read = (skip: number, bytes: number): string =>
      `dd if=${path} bs=4096 skip=${skip / 4096} count=${bytes / 4096} iflag=direct status=none`;
    const magic = await lab.storage.sh(`${read(0, 4096)} | head -c 8 | od -An -tx1`);
    assert.equal(magic.trim(), '4c 55 4b 53 ba be 00 01');
    const noise = Number(await lab.storage.sh(`${read(HEADER, WRITTEN)} | tr -d '\\0' | wc -c`));
    assert.ok(noise > 0.99 * WRITTEN, `${noise} bytes other than zero have arrived`);
    assert.equal(await lab.storage.sh(`${read(0, WATCHED)} | grep -a -c -F ${word} || true`), '0');
  }

  const FOLDERS = '/etc /var/lib/blockyard-* /var/lib/libvirt /var/log /var/tmp /tmp /run';
  /** As it is, and as libvirt keeps it. */
  const spellingsOf = (passphrase: string): string[] => [
    passphrase,
    Buffer.from(passphrase).toString('base64'),
  ];
  /** Files, and lines of the journal, in which the passphrase stands. */
  async function placesOf(machine: Machine, passphrase: string): Promise<string[]> {
    const found = await machine.sh(
      `words=$(cat)
      grep -rlsF --devices=skip -f /dev/stdin ${FOLDERS} <<END || true
$words
END
      journalctl --quiet --no-pager --output=cat | grep -F -f /dev/fd/3 3<<END || true
$words
END`,
      { input: spellingsOf(passphrase).join('\n'), timeoutMs: WAIT.deadlineMs },
    );
    return found === '' ? [] : found.split('\n');
  }
  async function assertNothingLeft(passphrase: string): Promise<void> {
    for (const machine of [lab.storage, lab.compute])
      assert.deepEqual(await placesOf(machine, passphrase), [], `on ${machine.name}`);
    const state = '/var/lib/blockyard-compute/compute';
    const left = [
      await lab.compute.sh('virsh --quiet secret-list'),
      await lab.compute.sh(`find ${state}/encrypted ${state}/connections -type f`),
      await lab.compute.sh('cat /sys/class/iscsi_session/*/targetname 2>/dev/null || true'),
      await lab.storage.sh('find /var/lib/blockyard-storage -name "passphrase-*"'),
      await lab.storage.sh("ls /sys/kernel/config/target/iscsi | grep ':volume-' || true"),
    ];
    assert.deepEqual(
      left,
      left.map(() => ''),
    );
  }

  it('is a running guest’s disk, grows, and nobody else can read it; its passphrase goes with the connection, its key with the volume', async () => {
    const formatting = await watchArgv(lab.storage);
    const made = await ok('POST', v3('/volumes'), { volume: { size: 1, volume_type: type } });
    const { id, encryption_key_id: key } = made.volume;
    await is(id, 'available');
    const onStorage = await formatting();
    const { secret } = (await keyOf(key))!;
    const passphrase = createSecrets(lab.stack.env['BLOCKYARD_SECRET_KEY']!).decrypt(secret, id);

    const attachments = `/compute/v2.1/servers/${lab.instance.id}/os-volume_attachments`;
    const plugging = await watchArgv(lab.compute);
    await ok('POST', attachments, { volumeAttachment: { volumeId: id } });
    await is(id, 'in-use', 'available');
    const onCompute = await plugging();
    const serial = id.slice(0, 20);
    const disk = await guestSays(
      new RegExp(`^guest: disk (\\w+) added serial=${serial} bytes=${GIB - HEADER}$`, 'm'),
    );
    const kept = await placesOf(lab.compute, passphrase);
    assert.match(kept.join(), /^\/etc\/libvirt\/secrets\/[0-9a-f-]{36}\.base64$/, 'with libvirt alone');

    const word = randomUUID();
    await lab.instance.command(`write ${disk} ${WRITTEN / MIB} ${MIB} ${word}`, WAIT.deadlineMs);
    const sha256 = createHash('sha256')
      .update(Buffer.alloc(WRITTEN, `${word}\n`))
      .digest('hex');
    await assertGuestReads(disk, sha256);
    await assertSealed(id, word);

    await ok('POST', v3(`/volumes/${id}/action`), { 'os-extend': { new_size: 2 } });
    await guestSays(new RegExp(`^guest: disk ${disk} (resized) bytes=${2 * GIB - HEADER}$`, 'm'));
    await is(id, 'in-use');
    await assertGuestReads(disk, sha256);

    await ok('DELETE', `${attachments}/${id}`);
    await is(id, 'available', 'in-use');
    await assertNothingLeft(passphrase);
    assert.match(onStorage, new RegExp(`passphrase-${id}`), 'qemu-img has been seen at work');
    const timeline = JSON.stringify(await ok('GET', v3(`/operations?volume_id=${id}`)));
    for (const spelling of spellingsOf(passphrase))
      for (const seen of [onStorage, onCompute, timeline]) assert.ok(!seen.includes(spelling));

    await ok('DELETE', v3(`/volumes/${id}`));
    await client.until('404', v3(`/volumes/${id}`), ({ status }) => status === 404, WAIT);
    assert.equal(await keyOf(key), undefined, 'the key has gone with what it opened');
  });
});
