import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSequenceJournal } from '#agent/sequence-journal.ts';

describe('sequence journal', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'blockyard-journal-'));
  });
  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('refuses what is older than the newest, also after a restart', async () => {
    const journal = await openSequenceJournal(folder);
    assert.deepEqual(
      [
        await journal.advance('v', 5),
        await journal.advance('v', 5),
        await journal.advance('v', 4),
        await journal.advance('w', 1),
      ],
      [true, true, false, true],
    );
    await journal.close();
    const again = await openSequenceJournal(folder);
    assert.deepEqual([await again.advance('v', 4), await again.advance('v', 6)], [false, true]);
    await again.close();
  });

  it('is on disk before advance returns, many at once included', async () => {
    const journal = await openSequenceJournal(folder);
    await Promise.all(Array.from({ length: 50 }, (_, index) => journal.advance(`v${index}`, 7)));
    const lines = (await readFile(join(folder, 'sequence.journal'), 'utf8')).trim().split('\n');
    assert.equal(lines.length, 50);
    await journal.close();
  });

  it('leaves out a line torn by a power cut', async () => {
    const journal = await openSequenceJournal(folder);
    await journal.advance('v', 5);
    await journal.close();
    await appendFile(join(folder, 'sequence.journal'), 'v 99');
    const again = await openSequenceJournal(folder);
    assert.equal(await again.advance('v', 6), true);
    await again.close();
  });
});
