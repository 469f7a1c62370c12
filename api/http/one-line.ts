/** For the log, whose entries are lines: what a client has a hand in must not look like another entry, or steer a terminal. */
export function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, (found) => JSON.stringify(found).slice(1, -1));
}
