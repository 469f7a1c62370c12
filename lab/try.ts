/**
 * `node lab/try.ts storage|compute|both`: machines of one's own without any agent, in the foreground, to try something
 * on a real kernel. Prints how to get in. Ctrl-C throws them away.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildImage } from './image/build.ts';
import { type Machine, makeDisk, startMachine } from './machine.ts';
import { COMPUTE, STORAGE } from './nodes.ts';

const wanted = process.argv[2];
if (wanted !== 'storage' && wanted !== 'compute' && wanted !== 'both') {
  console.error('usage: node lab/try.ts storage|compute|both');
  process.exit(64);
}
const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
const tree = resolve(import.meta.dirname, '..');
const image = await buildImage(join(tree, '.data/cache/lab'), console.log);
const dir = await mkdtemp(join(tmpdir(), 'by-lab-'));
const machines: Machine[] = [];
try {
  const [a, b] = [join(dir, 'a'), join(dir, 'b')];
  const starting: Promise<Machine>[] = [];
  if (wanted !== 'compute') {
    const disks = [await makeDisk(join(dir, 'data'), 'data', 20)];
    starting.push(
      startMachine({
        node: STORAGE,
        dir: join(dir, 's'),
        image,
        tree,
        disks,
        cable: { local: a, remote: b },
      }),
    );
  }
  if (wanted !== 'storage') {
    starting.push(
      startMachine({ node: COMPUTE, dir: join(dir, 'c'), image, tree, cable: { local: b, remote: a } }),
    );
  }
  for (const start of starting) {
    const machine = await start;
    machines.push(machine);
    console.log(`ssh -F ${machine.sshConfig} ${machine.name}`);
  }
  console.log('Ctrl-C throws it away.');
  await interrupted;
} finally {
  await Promise.all(machines.map((machine) => machine.stop()));
  await rm(dir, { recursive: true, force: true });
}
