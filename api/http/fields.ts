/** Field types that several nouns share, with the bounds and words of Cinder's own parameter types. */
import { z } from 'zod';
import { badRequest } from './errors.ts';
import { repr } from './python.ts';
import { TOO_MANY_CHARACTERS } from './validation.ts';

const TRUE = ['True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'y', 't'] as const;
const FALSE = ['False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no', 'n', 'f'] as const;

const PRINTABLE = /^\P{Cc}*$/u;
const UNPRINTABLE = 'has characters that cannot be printed';

/** A boolean, or one of the words that OpenStack takes for one. */
export const flag = z
  .union([z.boolean(), z.enum([...TRUE, ...FALSE])], {
    error: ({ input }) =>
      typeof input === 'string'
        ? `is not one of ${repr([true, ...TRUE, false, ...FALSE])}`
        : "is not of type 'boolean', 'string'",
  })
  .transform((value) => (typeof value === 'boolean' ? value : TRUE.some((word) => word === value)));

/** A resource's id in a path; one that is no UUID names nothing, which is the handler's 404. */
export const idParams = z.strictObject({ id: z.string() });

/** A resource's id in a body. */
export const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i, { error: "is not a 'uuid'" })
  .meta({ format: 'uuid' })
  .transform(canonicalUuid);

/** Lower case with dashes: how ids stand in the database. */
function canonicalUuid(text: string): string {
  const hex = text.replaceAll('-', '').toLowerCase();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/**
 * A check for text of at most so many characters, as VARCHAR columns and Cinder count them: JavaScript counts those beyond
 * U+FFFF twice.
 */
export function upTo(max: number): (text: string) => boolean {
  return (text) => text.length <= max || (text.length <= 2 * max && Array.from(text).length <= max);
}

/** A check for text of a TEXT column, which counts bytes. */
function fitsText(text: string): boolean {
  return Buffer.byteLength(text) <= 65_535;
}

export const text255 = z.string().refine(upTo(255), { error: 'is too long' }).meta({ maxLength: 255 });
/** Name or description: surrounding white space does not count. */
export const trimmed255 = z
  .string()
  .trim()
  .refine(upTo(255), { error: TOO_MANY_CHARACTERS })
  .meta({ maxLength: 255 });
/** Nova's names: there is something to be seen, and nothing that cannot be. */
export const novaName = z
  .string()
  .trim()
  .min(1, { error: 'is too short' })
  .refine(upTo(255), { error: 'is too long' })
  .regex(PRINTABLE, { error: UNPRINTABLE })
  .meta({ maxLength: 255 });
/** Nova's descriptions of up to 65,535 characters, kept in a TEXT column. */
export const novaDescription = z
  .string()
  .refine(fitsText, { error: 'has more than 65535 bytes' })
  .regex(PRINTABLE, { error: UNPRINTABLE })
  .meta({ maxLength: 65_535 });

const KEY = /^[a-zA-Z0-9\-_:. /]{1,255}$/;
export const keyOf255 = z
  .string()
  .regex(KEY, { error: "does not match any of the regexes: '^[a-zA-Z0-9-_:. /]{1,255}$'" });

/** Metadata and extra specs. */
export const stringMap = z.record(keyOf255, text255);

const sizeInput = z.union([z.int().min(1).max(2_147_483_647), z.string().regex(/^[0-9]+$/)], {
  error: 'is not an integer from 1 to 2147483647',
});
const inRange = z
  .union([z.string(), z.number()])
  .transform(Number)
  .refine((value) => value >= 1, { error: ({ input }) => `${String(input)} is less than the minimum of 1` })
  .refine((value) => value <= 2_147_483_647, {
    error: ({ input }) => `${String(input)} is greater than the maximum of 2147483647`,
  });

/** GiB; a number or its digits. MySQL's and Cinder's largest integer is the limit. */
export const sizeGib = sizeInput.pipe(inRange);

/** Of a new volume: here Cinder wants the digits as it would write them. */
export const newSizeGib = sizeInput
  .refine((value) => !/^0+[1-9]/.test(String(value)), {
    error: ({ input }) =>
      `Invalid input received: Invalid volume size provided for create request: ${String(input).slice(0, 100)} (size argument must be an integer (or string representation of an integer) and greater than zero).`,
  })
  .pipe(inRange);

/** A query that any key may stand in: unknown ones are for the handler to judge. */
export const anyQuery = z.record(z.string(), z.string());
export const noParams = z.strictObject({});

/** `2026-01-31T12:00:00.000000`: Cinder's form of a DATETIME(6) column's text. */
export const time = z.string().regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);
export const links = z.array(z.strictObject({ rel: z.string(), href: z.string() }));

/** A DATETIME column's text in the form of the API. */
export function isoTime(text: string): string {
  return text.replace(' ', 'T');
}

/**
 * A query parameter of which Cinder wants to know; false when it is not there.
 * @throws ApiError 400 for a word that says neither yes nor no
 */
export function strictFlag(query: Readonly<Record<string, string>>, name: string): boolean {
  const value = query[name];
  if (value === undefined || isTrue(value)) return value !== undefined;
  if (/^(0|f|false|off|n|no)$/i.test(value)) return false;
  throw badRequest(`Value '${value.slice(0, 100).toWellFormed()}' for '${name}' is not a boolean.`);
}

/** Whether a query parameter says yes, in the words that OpenStack's services take (oslo.utils' `bool_from_string`). */
export function isTrue(value: string | undefined): boolean {
  return /^(1|t|true|on|y|yes)$/i.test(value ?? '');
}

/**
 * Cinder's descriptions: at most 255 characters, all of which can be printed and stand in Unicode's first plane, as its
 * pattern has it.
 */
export const printable255 = text255.regex(/^[^\p{C}\p{Zl}\p{Zp}\u{10000}-\u{10FFFF}]*\n?$/u, {
  error: UNPRINTABLE,
});
/** One of which surrounding white space does not count. */
export const description255 = printable255.trim().nullish();

/**
 * What a body has under the name that all else is within, where Cinder looks for it by hand.
 * @throws ApiError 400 when it is not there, or no object
 */
export function requiredElement(body: unknown, name: string): Record<string, unknown> {
  const content = isRecord(body) && Object.hasOwn(body, name) ? body[name] : undefined;
  if (!isRecord(content)) throw badRequest(`Missing required element '${name}' in request body.`);
  return content;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
