import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { createSecrets } from '#queues/secrets.ts';
import { asId, type VolumeId } from '#schema/ids.ts';
import { VolumeData } from './data.ts';
import type { Rig } from './rig.ts';

const MIB = 2 ** 20;
/** What a guest is asked to read. */
const SUM_BYTES = 65_536;
/** QEMU measures the processor for two seconds when it formats; an encrypted volume is uploaded whole, holes and all. */
export const LUKS_S = 45;

/** A type whose volumes are encrypted, made at the first time. */
export async function encryptedType(rig: Rig): Promise<string> {
  const type = await rig.type('encrypted');
  const { body } = await rig.call('GET', rig.path(`types/${type}/encryption`));
  if (body.encryption_id === undefined) {
    await rig.call('POST', rig.path(`types/${type}/encryption`), {
      encryption: {
        provider: 'luks',
        cipher: 'aes-xts-plain64',
        key_size: 256,
        control_location: 'front-end',
      },
    });
  }
  return type;
}

/** An encrypted volume with the image in it, of which others are copies. */
export async function encryptedOrigin(rig: Rig): Promise<string> {
  await rig.apiUp();
  const volume_type = await encryptedType(rig);
  return rig.volume('available', 'encrypted origin', { imageRef: rig.image, volume_type });
}

/** A copy of it. */
export async function encryptedVolume(
  rig: Rig,
  status: 'available' | 'in-use',
  name: string,
): Promise<string> {
  return rig.volume(status, name, { source_volid: await encryptedOrigin(rig) });
}

/** The volume opens with the passphrase of its own key; it holds the image, unless it is said to be empty. */
export async function verifyOpens(rig: Rig, volume: string, content: 'image' | 'nothing'): Promise<void> {
  const { secret } = await rig.db
    .selectFrom('volumes')
    .innerJoin('encryption_keys', 'encryption_keys.id', 'volumes.encryption_key_id')
    .select('encryption_keys.secret')
    .where('volumes.id', '=', asId<VolumeId>(volume))
    .executeTakeFirstOrThrow();
  const master = createSecrets(rig.stack.env['BLOCKYARD_SECRET_KEY']!);
  const [passphrase, clear] = ['opening', 'opened'].map((name) => join(rig.stack.runDir, name)) as [
    string,
    string,
  ];
  try {
    await writeFile(passphrase, master.decrypt(secret, volume), { mode: 0o600 });
    const path = await rig.data.pathOf(volume);
    await systemRunner.run(
      'qemu-img',
      [
        'dd',
        '-U',
        '--object',
        `secret,id=k,file=${passphrase}`,
        '--image-opts',
        '-O',
        'raw',
        'bs=1M',
        `count=${VolumeData.image().length / MIB}`,
        `if=driver=luks,key-secret=k,file.driver=file,file.filename=${path}`,
        `of=${clear}`,
      ],
      { timeoutMs: 60_000 },
    );
    if (content === 'image')
      assert.ok(
        (await readFile(clear)).equals(VolumeData.image()),
        `volume ${volume} does not hold the image`,
      );
  } finally {
    await rm(passphrase, { force: true });
    await rm(clear, { force: true });
  }
}

/** What lies there is, byte for byte, what the volume's origin has: encrypted with the same passphrase. */
export async function verifySame(rig: Rig, path: string, origin: string): Promise<void> {
  await systemRunner.run('qemu-img', [
    'compare',
    '-U',
    '-f',
    'raw',
    '-F',
    'raw',
    path,
    await rig.data.pathOf(origin),
  ]);
}

/** The guest has the volume's disk, and reads in clear what the image has. @param mark of the console before it was plugged */
export async function verifyGuestReads(rig: Rig, volume: string, mark: number): Promise<void> {
  const added = new RegExp(`^guest: disk (\\w+) added serial=${volume.slice(0, 20)}`, 'm');
  const first = await rig.guest.waitFor(added, { mark });
  const all = [...first.input.matchAll(new RegExp(added, 'gm'))];
  const disk = all.at(-1)?.[1] ?? '';
  const [said] = (await rig.guest.command(`sum ${disk} ${SUM_BYTES}`)).filter((line) =>
    line.startsWith('sum '),
  );
  const wanted = createHash('sha256').update(VolumeData.image().subarray(0, SUM_BYTES)).digest('hex');
  assert.equal(said, `sum ${disk} bytes=${SUM_BYTES} sha256=${wanted}`);
}
