import { randomUUID } from 'node:crypto';
import { STORAGE } from '#lab/nodes.ts';
import { median } from '../statistics.ts';
import type { Row } from '../table.ts';
import { byHand, deleteVolume, forksOf, type LabBench, makeType, makeVolume, statusIs } from './bench.ts';

interface Way {
  readonly name: string;
  /** Milliseconds of one attach and of one detach, and the processes that each started on both machines. */
  readonly attach: () => Promise<number>;
  readonly detach: () => Promise<number>;
}

interface Samples {
  readonly attach: number[];
  readonly detach: number[];
  readonly attachForks: number[];
  readonly detachForks: number[];
}

const ADDRESS = STORAGE.addresses[0];
const PORTAL = `${ADDRESS}:3260`;

/** By hand: the sum of what the scripts took on their machines; nothing for whoever types them there. */
export async function attachments(bench: LabBench): Promise<Row[]> {
  const { lab } = bench;
  const volumeType = await makeType(bench);
  const [mine, theirs] = [
    await makeVolume(bench, { size: 1, volume_type: volumeType }),
    await makeVolume(bench, { size: 1, volume_type: volumeType }),
  ];
  await lab.storage.sh(`lvchange -ay -K ${lab.volumeGroup}/volume-${theirs}`);
  // Whoever types the commands logs in as the host calls itself; our records name another one.
  const initiator = await lab.compute.sh('sed -n s/^InitiatorName=//p /etc/iscsi/initiatorname.iscsi');
  const ways = [throughApi(bench, mine), ...handmade(bench, theirs, initiator)];
  // Its own portal, on all addresses, would be in the way of the one that is asked for.
  await lab.storage.sh('targetcli set global auto_add_default_portal=false');
  const looking = await lookingStarts(bench);
  const samples = new Map<string, Samples>();
  for (let round = 0; round <= bench.rounds; round++) {
    // Each in its turn comes after each other one: what has just run has warmed the machines up for the next.
    for (const way of [...ways.slice(round % ways.length), ...ways.slice(0, round % ways.length)]) {
      const { attach, detach, attachForks, detachForks } = samples.get(way.name) ?? fresh(samples, way.name);
      const before = await forks(bench);
      const attached = await way.attach();
      const between = await forks(bench);
      const detached = await way.detach();
      const after = await forks(bench);
      console.error(`round ${round}, ${way.name}: ${attached.toFixed(0)} ms, ${detached.toFixed(0)} ms`);
      // The first warms caches and lasting processes up.
      if (round === 0) continue;
      attach.push(attached);
      detach.push(detached);
      attachForks.push(between - before - looking);
      detachForks.push(after - between - looking);
    }
  }
  for (const id of [mine, theirs]) await deleteVolume(bench, id);
  const ours = samples.get(ways[0]!.name)!;
  return [...samples].map(([what, sample]) => ({
    what,
    'attach ms': median(sample.attach),
    'ours ÷ it': (median(ours.attach) / median(sample.attach)).toFixed(2),
    'processes started': median(sample.attachForks).toFixed(0),
    'detach ms': median(sample.detach),
    'ours ÷ it, detach': (median(ours.detach) / median(sample.detach)).toFixed(2),
    'processes started, detach': median(sample.detachForks).toFixed(0),
  }));
}

const LOOKS = 7;

/** What asking both machines for the number itself starts there: sshd's child, a shell, awk. */
async function lookingStarts(bench: LabBench): Promise<number> {
  const seen: number[] = [];
  for (let look = 0; look < LOOKS; look++) seen.push(await forks(bench));
  return Math.min(...seen.slice(1).map((each, index) => each - seen[index]!));
}

async function forks({ lab }: LabBench): Promise<number> {
  return (await forksOf(lab.storage)) + (await forksOf(lab.compute));
}

function fresh(samples: Map<string, Samples>, name: string): Samples {
  const made = { attach: [], detach: [], attachForks: [], detachForks: [] };
  samples.set(name, made);
  return made;
}

function throughApi(bench: LabBench, volumeId: string): Way {
  const path = `/compute/v2.1/servers/${bench.lab.instance.id}/os-volume_attachments`;
  const timed = async (work: () => Promise<unknown>, status: string): Promise<number> => {
    const began = performance.now();
    await work();
    await statusIs(bench, volumeId, status);
    return performance.now() - began;
  };
  return {
    name: 'Blockyard’s API',
    attach: () =>
      timed(() => bench.client.expect(200, 'POST', path, { volumeAttachment: { volumeId } }), 'in-use'),
    detach: () => timed(() => bench.client.expect(202, 'DELETE', `${path}/${volumeId}`), 'available'),
  };
}

function handmade({ lab }: LabBench, volumeId: string, initiator: string): Way[] {
  const { storage, compute, instance } = lab;
  const name = `volume-${volumeId}`;
  const device = `/dev/${lab.volumeGroup}/${name}`;
  const target = `iqn.2010-10.org.byhand:${name}`;
  const [user, secret, index, disk] = [randomUUID(), randomUUID().slice(0, 16), '77', 'vdc'];
  const plug = () =>
    byHand(compute, 'plug.sh', [target, PORTAL, user, secret, instance.name, volumeId, disk]);
  const unplug = () => byHand(compute, 'unplug.sh', [target, PORTAL, instance.name, volumeId, disk]);
  const both = async (...parts: (() => Promise<number>)[]): Promise<number> => {
    let sum = 0;
    for (const part of parts) sum += await part();
    return sum;
  };
  return [
    {
      name: 'by hand, configfs',
      attach: () =>
        both(
          () => byHand(storage, 'export.sh', [device, name, index, target, initiator, user, secret, PORTAL]),
          plug,
        ),
      detach: () =>
        both(unplug, () => byHand(storage, 'unexport.sh', [name, index, target, initiator, PORTAL])),
    },
    {
      name: 'by hand, targetcli',
      attach: () =>
        both(
          () =>
            byHand(storage, 'targetcli-export.sh', [device, name, target, initiator, user, secret, ADDRESS]),
          plug,
        ),
      detach: () => both(unplug, () => byHand(storage, 'targetcli-unexport.sh', [name, target])),
    },
  ];
}
