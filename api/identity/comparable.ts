import { isAscii } from '#api/http/keyset.ts';

/** An id that columns of ids, which hold ASCII, can be compared with: one of other characters is nobody's, and the empty one is too. */
export const comparable = <T extends string>(id: T): T => (isAscii(id) ? id : ('' as T));
