import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { ProgramError } from '#agent/program-error.ts';
import { classify } from '#storage-agent/backends/lvm/failure.ts';

const FIXTURES = new URL('../../../fixtures/lvm/', import.meta.url);

const failure = (stderr: string, exitCode = 5): ProgramError =>
  new ProgramError({
    program: 'lvcreate',
    args: [],
    exitCode,
    signal: undefined,
    timedOut: false,
    code: undefined,
    stdout: '',
    stderr,
  });

describe('what LVM says when it fails', () => {
  it('is read from its own words', async () => {
    const files = (await readdir(FIXTURES)).filter((name) => name.endsWith('.txt'));
    assert.ok(files.length > 10);
    for (const file of files) {
      const reason = classify(failure(await readFile(new URL(file, FIXTURES), 'utf8')))?.reason;
      if (file.startsWith('other-')) assert.equal(reason, undefined, file);
      else assert.ok(reason !== undefined && file.startsWith(reason), `${file}: ${reason}`);
    }
  });

  it('is not believed with another exit code', async () => {
    const text = await readFile(new URL('not-found-remove.txt', FIXTURES), 'utf8');
    assert.equal(classify(failure(text, 3)), undefined);
  });
});
