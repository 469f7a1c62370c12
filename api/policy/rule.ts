/**
 * Who may do something. A rule's roles count in the token's project; an administrator's count everywhere.
 * - `anyone`: every valid token, even one without a project; the handler looks at whose things it is about.
 * - `reader`: readers, members and administrators.
 * - `member`: members and administrators.
 * - `admin`: administrators.
 */
export type Who = 'anyone' | 'reader' | 'member' | 'admin';

/** A rule, and the operations that ask for it: `METHOD /path`, with `#action` for routes that the body's key tells apart. */
export type Rule = readonly [who: Who, ...operations: string[]];

/** Rule by name; the names are the services' own. */
export type Policy = Readonly<Record<string, Rule>>;
