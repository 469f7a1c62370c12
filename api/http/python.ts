/** Characters that Python escapes in a string's `repr`. */
const ESCAPED = /[\\\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu;
const SHORT: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** A JSON value as Python's `repr` writes it, for error messages that quote what was sent. */
export function repr(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'string') return quoted(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (Array.isArray(value)) return `[${value.map(repr).join(', ')}]`;
  if (typeof value !== 'object') return JSON.stringify(value);
  const items = Object.entries(value).map(([key, item]) => `${quoted(key)}: ${repr(item)}`);
  return `{${items.join(', ')}}`;
}

function quoted(text: string): string {
  const escaped = text.replaceAll(ESCAPED, escape);
  return text.includes("'") && !text.includes('"')
    ? `"${escaped}"`
    : `'${escaped.replaceAll("'", String.raw`\'`)}'`;
}

function escape(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return String.raw`\x${code.toString(16).padStart(2, '0')}`;
  if (code <= 0xffff) return String.raw`\u${code.toString(16).padStart(4, '0')}`;
  return String.raw`\U${code.toString(16).padStart(8, '0')}`;
}
