import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
import { settingsOf } from '#lab/agents.ts';
import { STORAGE } from '#lab/nodes.ts';
import { median } from '../statistics.ts';
import type { Row } from '../table.ts';
import { byHand, deleteVolume, type LabBench, makeType, makeVolume } from './bench.ts';

const MIB = 2 ** 20;
/** Virtual size; every other MiB holds data. */
const SIZE_MIB = 512;

/**
 * qcow2 to a thin volume: through the API with an image that the node has not seen, then with one that it has; by hand, with all
 * that this takes; and bare, from a file that is there and that nobody checks.
 */
export async function fromImage(bench: LabBench): Promise<Row[]> {
  const { lab, client } = bench;
  const dir = lab.stack.runDir;
  const file = await makeImage(dir);
  const volumeType = await makeType(bench);
  await lab.storage.put(file, '/var/tmp/image.qcow2');
  const group = lab.volumeGroup;
  await lab.storage.sh(`lvcreate -qq -y -V 1G --thinpool ${lab.thinPool} -n bare ${group}`);
  const times = {
    first: [] as number[],
    again: [] as number[],
    hand: [] as number[],
    bare: [] as number[],
  };
  for (let round = 0; round < bench.rounds; round++) {
    const imageId = await upload(bench, file);
    const made: string[] = [];
    for (const which of ['first', 'again'] as const) {
      const began = performance.now();
      made.push(await makeVolume(bench, { size: 1, volume_type: volumeType, imageRef: imageId }));
      times[which].push(performance.now() - began);
    }
    await lab.storage.sh(`blkdiscard -f /dev/${group}/bare`);
    times.hand.push(await fetchedByHand(bench, imageId, `/dev/${group}/bare`));
    await lab.storage.sh(`blkdiscard -f /dev/${group}/bare`);
    const said = await lab.storage.sh(
      `began=$(date +%s%N)
       qemu-img convert -n -t none -f qcow2 -O raw /var/tmp/image.qcow2 /dev/${group}/bare
       echo $((($(date +%s%N) - began) / 1000000))`,
      { timeoutMs: 300_000 },
    );
    times.bare.push(Number(said));
    console.error(`round ${round}: ${JSON.stringify(times)}`);
    for (const id of made) await deleteVolume(bench, id);
    await client.expect(204, 'DELETE', `/image/v2/images/${imageId}`);
  }
  await lab.storage.sh(`lvremove -qq -y ${group}/bare`);
  const row = (what: string, samples: number[]): Row => ({
    what,
    ms: median(samples),
    'MiB of data per s': SIZE_MIB / 2 / (median(samples) / 1_000),
    '÷ bare': (median(samples) / median(times.bare)).toFixed(2),
  });
  return [
    row('the API, first volume of an image (fetched, hashed, converted)', times.first),
    row('the API, second volume of it', times.again),
    row('by hand: fetched, sha512sum, qemu-img convert', times.hand),
    row('qemu-img convert, the file already on the node', times.bare),
  ];
}

async function fetchedByHand({ lab, client }: LabBench, imageId: string, device: string): Promise<number> {
  const image = JSON.parse(await client.expect(200, 'GET', `/image/v2/images/${imageId}`)) as {
    os_hash_value: string;
  };
  const service = await lab.storage.sh(`. ${settingsOf(STORAGE)} && echo "$BLOCKYARD_IMAGE_URL"`);
  const url = `${service}/v2/images/${imageId}/file`;
  return await byHand(lab.storage, 'from-image.sh', [url, image.os_hash_value, device], lab.stack.adminToken);
}

async function makeImage(dir: string): Promise<string> {
  const [raw, image] = [join(dir, 'image.raw'), join(dir, 'image.qcow2')];
  {
    await using file = await open(raw, 'w');
    const block = randomBytes(MIB);
    for (let mib = 0; mib < SIZE_MIB; mib += 2) await file.write(block, 0, MIB, mib * MIB);
    await file.truncate(SIZE_MIB * MIB);
  }
  await systemRunner.run('qemu-img', ['convert', '-O', 'qcow2', raw, image], { timeoutMs: 120_000 });
  return image;
}

/** @returns the id of a new image with this file's data. */
async function upload({ lab, client }: LabBench, file: string): Promise<string> {
  const { id } = JSON.parse(
    await client.expect(201, 'POST', '/image/v2/images', {
      name: 'bench',
      disk_format: 'qcow2',
      container_format: 'bare',
    }),
  ) as { id: string };
  const put = request(`${lab.stack.apiUrl}/image/v2/images/${id}/file`, {
    method: 'PUT',
    headers: {
      'x-auth-token': lab.stack.adminToken,
      'content-type': 'application/octet-stream',
      'content-length': (await stat(file)).size,
    },
  });
  createReadStream(file).pipe(put);
  const [reply] = (await once(put, 'response')) as [NodeJS.ReadableStream & { statusCode: number }];
  if (reply.statusCode !== 204) throw new Error(`uploading the image: ${reply.statusCode}`);
  reply.resume();
  return id;
}
