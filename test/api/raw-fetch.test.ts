import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const HERE = import.meta.dirname;
const CALL = /(?<![\w.])fetch\(/;

/** Who may call `fetch` itself, below test/api, and why. */
const NAMED: Readonly<Record<string, string>> = {
  'support/api.ts': 'holds each reply to its route with checkAnswer',
  'support/identity.ts': 'holds each reply to its route with checkAnswer',
  'support/held-fetch.ts': 'is what holds the others',
  'fuzz.test.ts': 'holds each reply to its route with checkAnswer',
  'support/glance.ts': 'asks a real Glance',
  'image/glance.test.ts': 'asks a real Glance; the api through heldFetch',
  'identity/keystone.test.ts': 'asks a real Keystone; the api through heldFetch',
};

describe('tests of the api', () => {
  it('hold replies to what is described: only those named here call fetch themselves', async () => {
    const files = (await readdir(HERE, { recursive: true })).filter((file) => file.endsWith('.ts'));
    const calling: string[] = [];
    for (const file of files) {
      if (join(HERE, file) === import.meta.filename) continue;
      if (CALL.test(await readFile(join(HERE, file), 'utf8'))) calling.push(file);
    }
    assert.deepEqual(calling.toSorted(), Object.keys(NAMED).toSorted());
  });
});
