/** `name=value` and `name: value` whose name says that nobody should read the value. */
const NAMED = /((?:password|passwd|secret|token|credential)[\w.-]*\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;]+)/gi;
/** What queues/secrets.ts makes. */
const SEALED = /\bv\d\.[A-Za-z0-9_.-]{20,}/g;
const HIDDEN = '***';

/**
 * A text that may be shown: without secrets and control characters, on one line.
 * @param secrets known ones, in every spelling in which they may occur.
 * @param longest in characters.
 */
export function redact(text: string, secrets: Iterable<string>, longest: number): string {
  let clean = text;
  for (const secret of secrets) clean = clean.replaceAll(secret, HIDDEN);
  clean = clean
    .replaceAll(NAMED, `$1${HIDDEN}`)
    .replaceAll(SEALED, HIDDEN)
    .replaceAll(/\p{C}+/gu, ' ');
  return clean.length <= longest ? clean : `${clean.slice(0, longest - 2).toWellFormed()} …`;
}
