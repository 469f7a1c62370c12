/** True when a row could not go because others refer to it. */
export function isReferenced(error: unknown): boolean {
  return hasCode(error, 'ER_ROW_IS_REFERENCED_2');
}

/** True when a row refers to one that is gone. */
export function isDangling(error: unknown): boolean {
  return hasCode(error, 'ER_NO_REFERENCED_ROW_2');
}

/** True when there is a row of that id already. */
export function isDuplicate(error: unknown): boolean {
  return hasCode(error, 'ER_DUP_ENTRY');
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
