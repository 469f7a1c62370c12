import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRunner } from '#agent/run.ts';
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

  it('claims nothing that a full disk has not taken, and goes on once there is room', async () => {
    const journal = await openSequenceJournal(folder);
    const ignore = (): void => undefined;
    process.on('SIGXFSZ', ignore);
    const longest = (bytes: string): unknown =>
      systemRunner.run('prlimit', ['--pid', `${process.pid}`, `--fsize=${bytes}:`]);
    await journal.advance('u', 1);
    await longest('10');
    try {
      await assert.rejects(journal.advance('volume-v', 5), { code: 'EFBIG' });
      await assert.rejects(journal.advance('volume-v', 5), { code: 'EFBIG' });
    } finally {
      await longest('unlimited');
      process.off('SIGXFSZ', ignore);
    }
    assert.equal(await journal.advance('w', 2), true);
    await journal.close();
    const again = await openSequenceJournal(folder);
    assert.deepEqual(
      [await again.advance('u', 0), await again.advance('w', 1), await again.advance('volume-v', 5)],
      [false, false, true],
    );
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
