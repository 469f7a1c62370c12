import { TaskError } from '#schema/tasks.ts';

/**
 * One argument as virsh's own command parser reads it: single quotes are literal, a backslash outside them escapes.
 * @throws TaskError `invalid` for control and non-ASCII characters, which the line editor of an interactive virsh would
 * take for keys.
 */
export function quote(argument: string): string {
  if (/[^\x20-\x7e]/.test(argument)) {
    throw new TaskError('invalid', 'libvirt is given printable ASCII characters only');
  }
  if (/^[\w@%+=:,./-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}
