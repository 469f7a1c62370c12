import type { Finding } from './difference.ts';
import type { Rows } from './rows.ts';

/** What is encrypted and has no key any more, and keys of nothing: each goes with what it opens, in one transaction. */
export function compareKeys({ keys, keyed, keysToBe }: Rows): Finding[] {
  const used = new Set(keyed.map(({ key }) => key));
  return [
    ...keyed.flatMap(({ what, id, key }): Finding[] =>
      keys.has(key)
        ? []
        : [
            {
              kind: 'key-missing',
              subject: id,
              ...(what === 'volume' && { volumeId: id }),
              wanted: `key ${key} opens ${what} ${id}`,
              found: 'no such key',
              repair: 'Put the key back from a copy of the database: without it nobody can read the data.',
              care: 'none',
            },
          ],
    ),
    ...[...keys].flatMap((key): Finding[] =>
      used.has(key) || keysToBe.has(key)
        ? []
        : [
            {
              kind: 'key-extra',
              subject: key,
              wanted: 'no key that opens nothing',
              found: `key ${key}, which no volume, backup or image names`,
              repair:
                'Delete its row of encryption_keys once it is certain that no copy of such data is wanted.',
              care: 'none',
            },
          ],
    ),
  ];
}
