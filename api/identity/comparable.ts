/** What ids are of. Columns of ids hold ASCII, and MySQL passes over spaces at the end when it compares them. */
export const ID_CHARACTERS = /^[\x21-\x7e]*$/;

/** An id that columns of ids can be compared with: one of other characters is nobody's, and the empty one is too. */
export const comparable = <T extends string>(id: T): T => (ID_CHARACTERS.test(id) ? id : ('' as T));
