/**
 * A process that writes configfs and does nothing else: `node helper.ts <root>`. It says once that it is ready; then one
 * line of JSON in (Work), one out (Reply), until the input ends. It blocks in each system call: when the kernel keeps one for ever, the agent leaves
 * this process behind and starts another. It imports little, because it starts while a task waits.
 */
import { readSync, writeSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { openTree } from './tree.ts';
import { carryOut, type Reply, type Work } from './work.ts';

const tree = openTree(process.argv[2] ?? '');
const chunk = Buffer.alloc(65_536);
const decoder = new StringDecoder('utf8');
let pending = '';
say({ ok: null });
for (;;) {
  const length = readSync(0, chunk);
  if (length === 0) break;
  pending += decoder.write(chunk.subarray(0, length));
  for (let end = pending.indexOf('\n'); end !== -1; end = pending.indexOf('\n')) {
    const work = JSON.parse(pending.slice(0, end)) as Work;
    pending = pending.slice(end + 1);
    say(carryOut(tree, work));
  }
}

function say(reply: Reply): void {
  const line = Buffer.from(`${JSON.stringify(reply)}\n`);
  for (let sent = 0; sent < line.length; ) sent += writeSync(1, line, sent);
}
