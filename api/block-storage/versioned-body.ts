/** What Cinder's validator says where a route's schema can't, because it depends on the microversion. */
import { type ApiError, badRequest } from '#api/http/errors.ts';
import { repr } from '#api/http/python.ts';

const MAX_SHOWN = 1_200;

function refused(field: string, value: object, message: string): ApiError {
  const shown = repr(value).slice(0, MAX_SHOWN).toWellFormed();
  return badRequest(`Invalid input for field/attribute ${field}. Value: ${shown}. ${message}`);
}

/** There are properties that this microversion does not have. */
export function unexpected(field: string, value: object, names: readonly string[]): ApiError {
  const shown = names.map((name) => repr(name.slice(0, 100))).join(', ');
  const verb = names.length === 1 ? 'was' : 'were';
  return refused(field, value, `Additional properties are not allowed (${shown} ${verb} unexpected)`);
}

/** A property is missing that later microversions can do without. */
export function required(field: string, value: object, name: string): ApiError {
  return refused(field, value, `${repr(name)} is a required property`);
}
