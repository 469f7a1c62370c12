const PAIR = /^\s*u?(?:'([^'\\]*)'|"([^"\\]*)")\s*:\s*u?(?:'([^'\\]*)'|"([^"\\]*)")\s*(,|$)/;

/**
 * Reads `{'key': 'value'}`: a Python dictionary of text, as Cinder's clients write one into a query, or JSON.
 * @returns undefined for anything else.
 */
export function readDictionary(text: string): [string, string][] | undefined {
  const trimmed = text.trim();
  if (!trimmed.startsWith('{') || !trimmed.endsWith('}')) return undefined;
  const pairs: [string, string][] = [];
  let rest = trimmed.slice(1, -1);
  while (rest.trim() !== '') {
    const match = PAIR.exec(rest);
    if (match === null) return undefined;
    const key = match[1] ?? match[2] ?? '';
    if (!/^[\p{L}\p{N}\-_:. /]{1,255}$/u.test(key)) return undefined;
    pairs.push([key, match[3] ?? match[4] ?? '']);
    rest = rest.slice(match[0].length);
  }
  return pairs;
}
