import type { Subject } from './subject.ts';

/** The row of each flow that is last to have an undo: when it fails, all of them are passed. */
const LAST_UNDONE: Readonly<Record<string, string>> = {
  create: 'volume',
  'create an encrypted volume': 'volume',
  attach: 'plug',
  limits: 'tune',
  snapshot: 'snapshot',
  'export to a client': 'export',
  'create a server': 'boot',
  manage: 'adopt',
  'manage a snapshot': 'adopt',
  migrate: 'copy',
  'retype to another encryption': 'stage',
};

/** The way back of each flow that has one: the row has had its whole effect on the host, and then its task fails. */
export function undosOf(subjects: readonly Subject[]): Subject[] {
  return Object.entries(LAST_UNDONE).map(([title, row]) => ({
    ...subjects.find((each) => each.title === title)!,
    title: `undo of ${title}`,
    turnsBackAt: row,
    madeToFail: true,
  }));
}
