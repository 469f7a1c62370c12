import type { OperationInputs } from '#schema/operations.ts';
import { poolParts } from '#schema/pools.ts';
import { inPool, release } from '../placement/place.ts';
import type { Tx } from '../transaction.ts';
import { endRestore } from './backups.ts';
import { fillWithinS } from './fill.ts';
import { flow, type Run } from './flow.ts';
import { holdGroup, settleGroup } from './groups.ts';
import { luksOf } from './luks.ts';
import { type NextStatus, settle } from './settle.ts';

/** More than the agent's patience with one command of LVM's, which may have to wait for the group's lock. */
const CREATE_WITHIN_S = 180;

/** Only then may anything wait in line behind it. */
export function isAwaited({ source, awaited }: OperationInputs['volume.create']): boolean {
  return source !== undefined || awaited === true;
}

export const volumeCreate = flow('volume.create')
  .local({
    name: 'place',
    async do(tx, { facts: { volume, extraSpecs, input }, placement }) {
      const wanted = {
        sizeGib: volume.size_gib,
        zones: input.zones ?? [volume.availability_zone],
        extraSpecs: { ...extraSpecs, ...neededFor(input) },
        pool: input.pool,
      };
      const name = await placement.place(tx, wanted);
      const changes = input.zones === undefined ? { pool: name } : inPool(tx, name);
      tx.later(tx.q.updateTable('volumes').set(changes).where('id', '=', volume.id));
      return { pool: name };
    },
    undo(tx, { facts: { volume }, out }) {
      const pool = out.place?.pool ?? volume.pool;
      if (pool !== null) release(tx, pool, volume.size_gib, 1);
    },
  })
  .task({
    name: 'volume',
    on: 'storage',
    task: 'volume.ensure',
    withinS: (facts) => (facts.input.source === undefined ? CREATE_WITHIN_S : fillWithinS(facts)),
    do({ facts: { volume, input, luks }, out }) {
      const { agent, backend } = poolParts(out.place.pool);
      const { source } = input;
      return {
        host: agent,
        input: {
          volumeId: volume.id,
          backend,
          sizeGib: volume.size_gib,
          ...(source !== undefined && { source }),
          ...(isClear(source) && luksOf({ volume, luks })),
        },
      };
    },
    undo: {
      task: 'volume.absent',
      do({ facts: { volume }, out }) {
        const pool = out.place?.pool ?? volume.pool;
        if (pool === null) return null;
        const { agent, backend } = poolParts(pool);
        return { host: agent, input: { volumeId: volume.id, backend } };
      },
    },
  })
  .ends({
    // A server may wait for it: to boot from what it has been filled with, or to have it beside.
    done: (tx, run) => end(tx, run, isAwaited(run.facts.input) ? 'by-attachments' : 'available'),
    undone: (tx, run) => end(tx, run, 'error', { pool: null }),
    stuck: (tx, run) => end(tx, run, 'error'),
  });

function end(
  tx: Tx,
  run: Run<'volume.create', unknown>,
  status: NextStatus,
  changes: { readonly pool?: null } = {},
): void {
  const { source, groupId } = run.facts.input;
  holdGroup(tx, groupId);
  settle(tx, run, status, changes);
  if (source?.kind === 'backup') endRestore(tx, run, source.backupId);
  settleGroup(tx, run, groupId);
}

/** Nothing, or an image in clear: all other data of an encrypted volume are so already. */
function isClear(source: OperationInputs['volume.create']['source']): boolean {
  return source === undefined || (source.kind === 'image' && source.image.encrypted !== true);
}

/** What a host must have for it, as a type would ask. */
function neededFor({ source }: OperationInputs['volume.create']): Record<string, string> {
  return source?.kind === 'backup' ? { 'capabilities:backup_store': source.store } : {};
}
