import type { Place } from './surface.ts';

/** In each of the words, so that it is found again whatever was cut from it. */
export const MARK = 'zq7';
/** Words that have broken shells, paths, XML and protocols before. */
export const HOSTILE = [
  `../../../etc/${MARK}`,
  `/dev/../etc/${MARK}`,
  `--${MARK}=1`,
  `-o${MARK}`,
  `$(touch /tmp/${MARK})`,
  `\`${MARK}\`; rm -rf /`,
  `${MARK}'; destroy domain; echo '`,
  `${MARK}\nquit\n`,
  `${MARK}\r\nX-Injected: 1`,
  `${MARK}\u0000.raw`,
  `"/><${MARK} file='/etc/shadow'/>`,
  `]]>&${MARK};<!--`,
  `%s%n${MARK}%00`,
  `json:{"driver":"raw","file":"/${MARK}"}`,
  `nbd://127.0.0.1/${MARK}`,
  `${MARK},initiator-name=x,target=y`,
  `${MARK}\u202e\u2028\u{1f4a9}`,
];

/** Every text in it, and every key of a map of texts. */
export function texts(value: unknown, place: Place = []): { place: Place; value: string; key: boolean }[] {
  if (typeof value === 'string') return [{ place, value, key: false }];
  if (typeof value !== 'object' || value === null) return [];
  const isMap = ['metadata', 'extra_specs', 'group_specs', 'meta', 'qos_specs'].includes(
    String(place.at(-1)),
  );
  return Object.entries(value).flatMap(([name, inner]) => {
    const here = [...place, Array.isArray(value) ? Number(name) : name];
    return [...(isMap ? [{ place: here, value: name, key: true }] : []), ...texts(inner, here)];
  });
}
