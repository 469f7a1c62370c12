import type { OperationKind } from '#schema/operations.ts';
import { isOpen } from '../drift/busy.ts';
import type { OperationRow, Rows } from '../drift/rows.ts';

/**
 * What becomes of an operation that the backup has under way; the hosts may have ended it since, and much after it. `resume`: right
 * whenever it comes. `end`: it ends, and the volume is as good as before. `doubt`: it ends, and what the volume holds by now, or where,
 * nobody can tell.
 */
type Verdict = 'resume' | 'end' | 'doubt';

/** What the hosts say of the volume. */
export interface Found {
  /** Its data are somewhere. */
  readonly data: boolean;
  /** A guest has it that the backup is about to take it from, or a client is let in that it is about to shut out. */
  readonly held: boolean;
}

/** Ended since, it may have been written to: made again or removed, that would be lost. */
const unlessData = ({ data }: Found): Verdict => (data ? 'doubt' : 'resume');
/** It may have been attached again since. */
const unlessHeld = ({ held }: Found): Verdict => (held ? 'end' : 'resume');
const always = (verdict: Verdict) => (): Verdict => verdict;

/** None that removes data, or writes over them, when it goes on or turns back, is resumed where there are any. */
const RULES: { readonly [K in OperationKind]: (found: Found) => Verdict } = {
  // Only a whole volume has the name by which its data are found.
  'volume.create': ({ data }) => (data ? 'end' : 'resume'),
  'volume.delete': unlessData,
  'server.create': unlessData,
  'server.delete': unlessData,
  'volume.migrate': always('doubt'),
  'volume.retype': always('doubt'),
  'volume.revert': always('doubt'),
  'volume.reimage': always('doubt'),
  'backup.restore': always('doubt'),
  'volume.manage': always('doubt'),
  'volume.unmanage': always('doubt'),
  'volume.detach': unlessHeld,
  'volume.force-detach': unlessHeld,
  'attachment.revoke': unlessHeld,
  // They make and remove what is the volume's, not the volume: to be asked for again.
  'snapshot.create': always('end'),
  'snapshot.delete': always('end'),
  'snapshot.manage': always('end'),
  'snapshot.unmanage': always('end'),
  'volume.upload': always('end'),
  'volume.repair': always('end'),
  'volume.attach': always('resume'),
  'attachment.export': always('resume'),
  'volume.extend': always('resume'),
  'qos.apply': always('resume'),
  'server.power': always('resume'),
  // They hold their backup, and are no volume's.
  'backup.create': always('resume'),
  'backup.delete': always('resume'),
  'backup.import': always('resume'),
};

const HOLDS_BACKUP: ReadonlySet<string> = new Set(['backup.create', 'backup.delete', 'backup.import']);

/** Those of each volume, which it holds or waits for. */
export function openByVolume({ operations }: Rows): ReadonlyMap<string, readonly OperationRow[]> {
  const open = [...operations.values()].filter(({ kind, state }) => isOpen(state) && !HOLDS_BACKUP.has(kind));
  return Map.groupBy(open, ({ volume_id }) => volume_id as string);
}

/** One that ends takes with it what waits for it. @returns the worst of them, and whose it is. */
export function judge(
  open: readonly OperationRow[],
  found: Found,
): { readonly verdict: Verdict; readonly kind: string | null } {
  const verdicts = open.map(({ kind }) => ({ kind, verdict: RULES[kind as OperationKind](found) }));
  const worst =
    verdicts.find(({ verdict }) => verdict === 'doubt') ?? verdicts.find(({ verdict }) => verdict === 'end');
  return worst ?? { verdict: 'resume', kind: null };
}
