import type { z } from 'zod';
import { type ApiError, badRequest } from './errors.ts';
import { isOf, jsonType, typesAt } from './json-types.ts';
import { repr } from './python.ts';

/** Room for a name that is too long, shown twice. */
const MAX_SHOWN = 1_200;
/** What stands under these is not repeated: errors end up in logs. */
const SECRET: ReadonlySet<PropertyKey> = new Set([
  'password',
  'original_password',
  'token',
  'auth_key',
  'secret',
]);

/** Whose way it is to say where in a body something is wrong. */
export type Words = 'cinder' | 'keystone';

/**
 * Parses with a route's schema.
 * @throws ApiError 400 in the words of Cinder's validator (jsonschema's), for the first thing that is wrong.
 */
export function parseInput<S extends z.ZodType>(
  schema: S,
  value: unknown,
  words: Words = 'cinder',
): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw describe(result.error, schema, value, words);
}

function describe(error: z.ZodError, schema: z.ZodType, value: unknown, words: Words): ApiError {
  const issues = error.issues.map((issue) => wording(issue, schema, value));
  // Cinder looks at the properties that are there, then for those that are missing, then for those that should not be.
  const { path, message } = issues.toSorted((a, b) => a.rank - b.rank)[0] ?? {
    path: [],
    message: 'Malformed request body',
  };
  const field = path.at(-1);
  if (field === undefined || WHOLE.test(message)) return badRequest(message);
  if (words === 'keystone') {
    // It looks at what is below the noun.
    const place = path.slice(1).join('/');
    return badRequest(place === '' ? message : `Invalid input for field '${place}': ${message}`);
  }
  return badRequest(
    `Invalid input for field/attribute ${String(field)}. Value: ${shown(path, value, plain)}. ${message}`,
  );
}

/** What a schema says of a text that Cinder measures itself, outside its schema. */
export const TOO_MANY_CHARACTERS = 'has more than 255 characters';

interface Wording {
  readonly rank: 0 | 1 | 2;
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** How messages begin that are all that there is to be said. */
const WHOLE = /^(Invalid input received: |An invalid 'name' value |Invalid qos specs: )/;

function wording(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown): Wording {
  const { path } = issue;
  const last = path.at(-1);
  const parent = path.slice(0, -1);
  if (issue.code === 'unrecognized_keys') {
    const verb = issue.keys.length === 1 ? 'was' : 'were';
    const names = issue.keys.map((key) => shorten(repr(key))).join(', ');
    return { rank: 2, path, message: `Additional properties are not allowed (${names} ${verb} unexpected)` };
  }
  if (issue.code === 'invalid_key') {
    const inner = issue.issues[0]?.message ?? 'is not allowed';
    return { rank: 2, path: parent, message: `${shorten(repr(last))} ${inner}` };
  }
  if (issue.code !== 'custom' && last !== undefined && !has(valueAt(value, parent), last)) {
    return { rank: 1, path: parent, message: `${repr(last)} is a required property` };
  }
  if (issue.message === TOO_MANY_CHARACTERS) {
    const { length } = Array.from(String(valueAt(value, path)).trim());
    const name = String(last).replace(/^display_/, '');
    return {
      rank: 0,
      path,
      message: `Invalid input received: ${name} has ${length} characters, more than 255.`,
    };
  }
  const found = shown(path, value, repr);
  return { rank: 0, path, message: complaint(issue, valueAt(value, path), found, typesAt(schema, path)) };
}

/** What is said of a value, the value first. */
function complaint(issue: z.core.$ZodIssue, value: unknown, found: string, types: readonly string[]): string {
  const { message } = issue;
  if (WHOLE.test(message)) return message;
  if (types.length > 0 && !types.some((type) => isOf(type, value))) {
    return `${found} is not of type ${types.map((type) => `'${type}'`).join(', ')}`;
  }
  // Our own words leave out the value.
  if (/^(is|has|does|must) /.test(message)) return `${found} ${message}`;
  if (issue.code === 'custom' || !/^(Invalid|Too)\b(?! input received)/.test(message)) return message;
  switch (issue.code) {
    case 'invalid_type':
      return `${found} is not of type '${jsonType(issue.expected)}'`;
    case 'invalid_value':
      return `${found} is not one of ${repr(issue.values)}`;
    case 'too_small':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `${found} is less than the minimum of ${issue.minimum}`
        : `${found} is too short`;
    case 'too_big':
      return issue.origin === 'number' || issue.origin === 'int'
        ? `${found} is greater than the maximum of ${issue.maximum}`
        : `${found} is too long`;
    case 'invalid_format':
      return `${found} does not match ${repr((issue.pattern ?? issue.format).replaceAll(/^\/|\/[a-z]*$/g, ''))}`;
    default:
      return `${found} is not valid under any of the given schemas`;
  }
}

function has(container: unknown, key: PropertyKey): boolean {
  return typeof container === 'object' && container !== null && Object.hasOwn(container, key);
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) {
    if (!has(current, key)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[key];
  }
  return current;
}

function shown(path: readonly PropertyKey[], value: unknown, write: (value: unknown) => string): string {
  if (path.some((key) => SECRET.has(key))) return '***';
  return shorten(write(masked(valueAt(value, path))));
}

/** As Python's `str` writes it: text is not quoted unless it is inside of something. */
const plain = (value: unknown): string => (typeof value === 'string' ? value : repr(value));

function masked(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(masked);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, SECRET.has(key) ? '***' : masked(item)]),
  );
}

function shorten(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN).toWellFormed()}…`;
}
