import type { z } from 'zod';
import { type ApiError, badRequest } from './errors.ts';

const MAX_SHOWN = 200;
/** What stands under these is not repeated: errors end up in logs. */
const SECRET: ReadonlySet<PropertyKey> = new Set(['password', 'original_password', 'token', 'auth_key']);

/**
 * Parses with a route's schema.
 * @throws ApiError 400 in the words of Cinder's validator, for the first thing that is wrong.
 */
export function parseInput<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw describe(result.error, value);
}

function describe(error: z.ZodError, value: unknown): ApiError {
  const issue = error.issues[0];
  if (issue === undefined) return badRequest('Malformed request body');
  const field = issue.path.at(-1);
  const message = sentence(issue);
  if (field === undefined) return badRequest(message);
  const secret = issue.path.some((key) => SECRET.has(key));
  const found = secret ? '***' : show(valueAt(value, issue.path));
  return badRequest(`Invalid input for field/attribute ${String(field)}. Value: ${found}. ${message}`);
}

function sentence(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys') {
    const verb = issue.keys.length === 1 ? 'was' : 'were';
    const names = issue.keys.map((key) => `'${shorten(key)}'`).join(', ');
    return `Additional properties are not allowed (${names} ${verb} unexpected)`;
  }
  return issue.message;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let current = value;
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[key];
  }
  return current;
}

function show(value: unknown): string {
  if (value === undefined) return 'None';
  if (typeof value === 'string') return shorten(value);
  return shorten(JSON.stringify(value, (key, inner: unknown) => (SECRET.has(key) ? '***' : inner)));
}

function shorten(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN).toWellFormed()}…`;
}
