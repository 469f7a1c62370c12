/**
 * `npm run bench:lab`: attach and detach through the API beside the same commands typed by hand, on the same two machines,
 * in rounds that interleave; then a volume made from an image beside bare `qemu-img convert`.
 */
import { mkdir, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { startLab } from '#lab/lab.ts';
import { Client } from '../client.ts';
import { printTable } from '../table.ts';
import { attachments } from './attachments.ts';
import { fromImage } from './from-image.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
});

const runDir = `.data/bench-lab-${process.pid}`;
const wanted = (name: string): boolean => options.only === undefined || options.only === name;

try {
  await mkdir(runDir, { recursive: true });
  await using lab = await startLab({
    runDir,
    log: (name, line) => (name === 'lab' ? console.error(`lab: ${line}`) : undefined),
  });
  const client = new Client(lab.stack.apiUrl, lab.stack.adminToken);
  const bench = { lab, client, base: `/v3/${lab.stack.project}`, rounds: Number(options.rounds) };
  if (wanted('attachments'))
    printTable('Attach and detach: the API beside the same work by hand', await attachments(bench));
  if (wanted('from-image')) printTable('A volume from an image', await fromImage(bench));
  client.close();
} finally {
  await rm(runDir, { recursive: true, force: true });
}
