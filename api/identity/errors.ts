/** What Keystone answers, in its words. */
import { ApiError } from '#api/http/errors.ts';

/** The one answer to whoever does not prove who he is, whatever the reason. */
export const unauthorized = (): ApiError =>
  new ApiError(401, 'The request you have made requires authentication.', {
    'WWW-Authenticate': 'Keystone uri="/identity"',
  });

export const notFound = (what: string, id: string): ApiError =>
  new ApiError(404, `Could not find ${what}: ${id.slice(0, 100).toWellFormed()}.`);

export const forbidden = (action: string): ApiError =>
  new ApiError(403, `You are not authorized to perform the requested action: ${action}.`);

export const duplicate = (what: string, details: string): ApiError =>
  new ApiError(409, `Conflict occurred attempting to store ${what} - Duplicate entry found with ${details}.`);
