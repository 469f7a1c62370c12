import { isDeepStrictEqual } from 'node:util';

/** An observation that did not hold. */
export class Unmet extends Error {
  override readonly name = 'Unmet';
  readonly expected: string;
  readonly seen: string;

  constructor(what: string, expected: unknown, seen: unknown) {
    super(what);
    this.expected = inWords(expected);
    this.seen = inWords(seen);
  }
}

/** @throws Unmet unless both are deeply equal. */
export function expect(what: string, seen: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(seen, expected)) throw new Unmet(what, expected, seen);
}

/** @throws Unmet when `holds` is false; `expected` says in words what should have been. */
export function expectThat(what: string, holds: boolean, expected: string, seen: unknown): void {
  if (!holds) throw new Unmet(what, expected, seen);
}

function inWords(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}
