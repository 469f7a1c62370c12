/**
 * A process that writes configfs and does nothing else: `node helper.ts <root>`. One line of JSON in (Work), one out
 * (Reply), until the input ends. It blocks in each system call: when the kernel keeps one for ever, the agent leaves
 * this process behind and starts another. It imports little, because it starts while a task waits.
 */
import { readSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { openTree } from './tree.ts';
import { carryOut, type Work } from './work.ts';

const tree = openTree(process.argv[2] ?? '');
const chunk = Buffer.alloc(65_536);
const decoder = new StringDecoder('utf8');
let pending = '';
for (;;) {
  const length = readSync(0, chunk);
  if (length === 0) break;
  pending += decoder.write(chunk.subarray(0, length));
  for (let end = pending.indexOf('\n'); end !== -1; end = pending.indexOf('\n')) {
    const work = JSON.parse(pending.slice(0, end)) as Work;
    pending = pending.slice(end + 1);
    writeAll(Buffer.from(`${JSON.stringify(carryOut(tree, work))}\n`));
  }
}

function writeAll(bytes: Buffer): void {
  for (let sent = 0; sent < bytes.length; ) sent += writeSync(1, bytes, sent);
}
