import type { ExportItem, StorageInventory } from '#schema/inventory.ts';
import { letIn } from '../flows/let-in.ts';
import type { Finding } from './difference.ts';
import { placeOf } from './place-of.ts';
import type { Rows, VolumeRow } from './rows.ts';

/** Compares who may and does log in to each volume of one storage host. */
export function compareExports(
  rows: Rows,
  host: string,
  { exports, bootId }: StorageInventory,
  busy: ReadonlySet<string>,
): Finding[] {
  if (exports === null) return [];
  const service = rows.services.find((row) => row.binary === 'blockyard-storage' && row.agent === host);
  // The target has started anew, and a conductor is at work to make its exports again.
  if (service !== undefined && service.boot_id !== bootId) return [];
  const found = new Map(exports.map((item) => [item.volumeId, item]));
  const here = [...rows.volumes.values()].filter((row) => placeOf(row)?.agent === host);
  const mine = new Set(here.map(({ id }) => id as string));
  return [
    ...here.flatMap((row) => (busy.has(row.id) ? [] : compareExport(rows, row, found.get(row.id)))),
    ...exports.flatMap((item) =>
      mine.has(item.volumeId) || busy.has(item.volumeId) ? [] : orphan(rows, host, item),
    ),
  ];
}

function compareExport(rows: Rows, { id, multiattach }: VolumeRow, item: ExportItem | undefined): Finding[] {
  // The host that a volume is moving to is not let in before the former one is out.
  const wanted = letIn(multiattach, rows.attached.get(id) ?? []).flatMap(({ initiator }) =>
    initiator === null ? [] : [initiator.toLowerCase()],
  );
  const about = { subject: id, volumeId: id as string, wanted: whoText(wanted) };
  const action = { do: 'export', volumeId: id } as const;
  if (item === undefined) {
    if (wanted.length === 0) return [];
    return [
      {
        ...about,
        kind: 'export-missing',
        found: 'no export',
        repair: 'Export it again.',
        care: 'safe',
        action,
      },
    ];
  }
  const found = item.initiators.map((each) => each.toLowerCase());
  const sessions = item.sessions.map((each) => each.toLowerCase());
  const result: Finding[] = [];
  const add = (finding: Omit<Finding, keyof typeof about | 'action'>): void => {
    result.push({ ...about, ...finding, action });
  };
  const strays = sessions.filter((each) => !wanted.includes(each));
  if (strays.length > 0) {
    add({
      kind: 'session-extra',
      found: `logged in: ${[...new Set(strays)].join(', ')}`,
      repair: 'Cut off whoever has no attachment; what it still writes is refused from then on.',
      care: 'named',
    });
  }
  const extra = found.filter((each) => !wanted.includes(each) && !strays.includes(each));
  if (wanted.length === 0) {
    if (strays.length === 0) {
      add({
        kind: 'export-extra',
        found: `an export; ${whoText(found)}`,
        repair: 'Remove the export; nobody is logged in.',
        care: 'safe',
      });
    }
    return result;
  }
  if (extra.length > 0) {
    add({
      kind: 'acl-extra',
      found: whoText(found),
      repair: `Shut ${extra.join(', ')} out; it is not logged in.`,
      care: 'safe',
    });
  }
  const missing = wanted.filter((each) => !found.includes(each));
  if (missing.length > 0) {
    add({
      kind: 'acl-missing',
      found: whoText(found),
      repair: `Let ${[...new Set(missing)].join(', ')} in again.`,
      care: 'safe',
    });
  }
  if (item.path === null || !item.path.endsWith(`/volume-${id}`) || item.serial !== id) {
    add({
      kind: 'export-wrong',
      found:
        item.path === null
          ? 'an export without a ready device'
          : `device ${item.path} with serial number ${item.serial ?? 'none'}`,
      repair: 'Make the export as it should be; a target in use refuses that.',
      care: sessions.length > 0 ? 'named' : 'safe',
    });
  }
  return result;
}

function orphan(rows: Rows, host: string, item: ExportItem): Finding[] {
  const sessions = new Set(item.sessions);
  return [
    {
      kind: 'export-orphan',
      subject: item.volumeId,
      volumeId: item.volumeId,
      wanted: rows.volumes.has(item.volumeId) ? 'a volume of another host' : 'no such volume',
      found: `an export of ${item.path ?? 'no device'}; ${whoText(item.initiators)}; logged in: ${[...sessions].join(', ') || 'nobody'}`,
      repair:
        sessions.size > 0
          ? 'Cut off those who are logged in and remove the export.'
          : 'Remove the export; nobody is logged in.',
      care: sessions.size > 0 ? 'named' : 'safe',
      action: { do: 'unexport', host, volumeId: item.volumeId },
    },
  ];
}

function whoText(initiators: readonly string[]): string {
  return initiators.length === 0
    ? 'nobody may log in'
    : `may log in: ${[...new Set(initiators)].toSorted().join(', ')}`;
}
