import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { allCells, nameOf } from './cells.ts';
import { parsePassed, readPassed, withTable, writePassed } from './passed.ts';

describe('the list of cells that have passed', () => {
  it('names cells that there are, each once, in their order', async () => {
    const text = await readFile(new URL('../../docs/reliability-cells.txt', import.meta.url), 'utf8');
    assert.equal(writePassed(parsePassed(text)), text);
  });

  it('is what the table of docs/reliability.md says', async () => {
    const page = await readFile(new URL('../../docs/reliability.md', import.meta.url), 'utf8');
    assert.equal(withTable(page, await readPassed()), page);
  });

  it('is read as it was written', () => {
    const some = allCells().filter((_, index) => index % 7 === 0);
    assert.deepEqual(parsePassed(writePassed(some)).map(nameOf), some.map(nameOf));
  });
});
