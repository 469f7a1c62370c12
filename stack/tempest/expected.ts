import { readFile } from 'node:fs/promises';

/** Each line of this file's table is a test that does not pass, and why. */
export const EXPECTED_FILE = 'docs/tempest.md';

export interface Expected {
  readonly outcome: 'fail' | 'skip';
  readonly why: string;
}

/**
 * Reads the rows ``| `tempest.api.volume.…` | skip | why |``.
 * @throws Error for a row that is malformed or repeats a test.
 */
export function parseExpected(text: string): Map<string, Expected> {
  const expected = new Map<string, Expected>();
  for (const line of text.split('\n').filter((one) => one.startsWith('| `tempest.'))) {
    const [, id, outcome, why] = /^\| `(tempest\.[\w.]+)` \| (fail|skip) \| (\S.*) \|$/.exec(line) ?? [];
    if (id === undefined || why === undefined || expected.has(id))
      throw new Error(`${EXPECTED_FILE}: not a new test, outcome and reason: ${line}`);
    expected.set(id, { outcome: outcome as Expected['outcome'], why });
  }
  return expected;
}

export async function readExpected(): Promise<Map<string, Expected>> {
  return parseExpected(await readFile(EXPECTED_FILE, 'utf8'));
}
