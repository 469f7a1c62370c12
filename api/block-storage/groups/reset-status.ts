import { type ApiError, badRequest } from '#api/http/errors.ts';
import type { GroupStatus } from '#schema/states.ts';

/** What Cinder's refusal lists. */
const LISTED = {
  Group: `('error', 'available', 'creating', 'deleting', 'deleted', 'updating', 'in-use', 'error_deleting')`,
  GroupSnapshot: `('error', 'available', 'creating', 'deleting', 'deleted', 'updating', 'error_deleting')`,
} as const;

const STATUSES: readonly GroupStatus[] = [
  'error',
  'available',
  'creating',
  'deleting',
  'deleted',
  'updating',
  'error_deleting',
];

/**
 * A status that a group or group snapshot may be put into by hand. What its volumes' operations still do goes on as it was
 * begun; only a group that is `creating` or `deleting` then follows them.
 * @param noun `Group` or `GroupSnapshot`.
 * @throws ApiError 400
 */
export function readStatus(noun: 'Group' | 'GroupSnapshot', text: string): GroupStatus {
  const invalid = (reason: string): ApiError => badRequest(`Invalid ${noun} Status: ${reason}`);
  if (text.trim() === '') throw invalid("The 'status' can not be empty.");
  const status = STATUSES.find((known) => known === text.toLowerCase());
  if (status !== undefined) return status;
  const [words, valid] =
    noun === 'Group' ? ['Group status', 'valid status are'] : ['Group snapshot status', 'valid statuses are'];
  throw invalid(`${words}: ${text.slice(0, 100)} is invalid, ${valid}: ${LISTED[noun]}.`);
}
