/** Replaces the UTF-16 code units `start` (inclusive) to `end` (exclusive) of a text by `insert`. */
export interface Splice {
  readonly start: number;
  readonly end: number;
  readonly insert: string;
}

/** Carries out splices that do not overlap, given in any order. Everything outside them stays as it is. */
export function applySplices(text: string, splices: readonly Splice[]): string {
  let result = '';
  let from = 0;
  for (const { start, end, insert } of splices.toSorted((a, b) => a.start - b.start)) {
    result += text.slice(from, start) + insert;
    from = end;
  }
  return result + text.slice(from);
}
