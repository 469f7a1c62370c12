import { reach } from '#queues/stopping-points.ts';
import type { ExportItem } from '#schema/inventory.ts';
import { volumeIdOf, volumeName } from '../../names.ts';
import { assertAcls, assertPath } from '../limits.ts';
import type { ExportState, Target } from '../target.ts';
import { createAccounts, isErrno, unbindAnyway } from './accounts.ts';
import type { TgtClient } from './client.ts';
import { firstTid, identityOf, LUN, MAX_TID } from './identity.ts';
import { lingering } from './lingering.ts';
import { ensureLun, reopenLun } from './lun.ts';
import { cutSessions } from './sessions.ts';
import { shownMegabytes, type TgtTarget } from './show.ts';
import { TGT_ERRNO } from './wire.ts';

export interface TgtTargetOptions {
  readonly client: TgtClient;
  /** `address:port` of each portal that initiators are told of. tgtd itself listens where it was started to. */
  readonly portals: readonly string[];
  /** Targets are named `<prefix>:volume-<id>`; other targets are left alone. */
  readonly iqnPrefix: string;
}

const CUT_MS = 20_000;
/** Steps to the next target number when one is taken. */
const TID_TRIES = 1_000;

/** Exports through tgtd, which forgets everything when it ends: every export is rebuilt by `ensure`. */
export function createTgtTarget({ client, portals, iqnPrefix }: TgtTargetOptions): Target {
  const accounts = createAccounts(client);
  const iqnOf = (volumeId: string): string => `${iqnPrefix}:${volumeName(volumeId)}`;

  const volumeOf = ({ name }: TgtTarget): string | null =>
    name.startsWith(`${iqnPrefix}:`) ? volumeIdOf(name.slice(iqnPrefix.length + 1)) : null;

  const lookUp = async (
    volumeId: string,
  ): Promise<{ target: TgtTarget | undefined; others: readonly TgtTarget[] }> => {
    const iqn = iqnOf(volumeId);
    const all = await client.targets();
    return { target: all.find(({ name }) => name === iqn), others: all.filter(({ name }) => name !== iqn) };
  };

  /** A new target has no initiator, so nobody can log in until the last step of `ensure`. */
  const create = async (volumeId: string): Promise<TgtTarget> => {
    const name = iqnOf(volumeId);
    const first = firstTid(volumeId);
    for (let step = 0; step < TID_TRIES; step += 1) {
      const tid = ((first - 1 + step) % MAX_TID) + 1;
      try {
        await client.createTarget(tid, name);
        return { tid, name, ready: true, sessions: [], luns: [], accounts: [], initiators: [] };
      } catch (error) {
        if (!isErrno(error, TGT_ERRNO.targetExists)) throw error;
      }
    }
    throw new Error('tgtd has no free target number nearby');
  };

  const stateOf = (target: TgtTarget): ExportState[] => {
    const volumeId = volumeOf(target);
    return volumeId === null
      ? []
      : [{ volumeId, initiators: target.initiators, sessions: target.sessions.length }];
  };

  return {
    async ensure(volumeId, device, acls) {
      assertPath(device.path);
      assertAcls(acls);
      const { target: found, others } = await lookUp(volumeId);
      const target = found ?? (await create(volumeId));
      await reach('export.created');
      const wanted = new Set(acls.map(({ initiator }) => initiator));
      const leaving = target.initiators.filter((initiator) => !wanted.has(initiator));
      for (const initiator of leaving) await unbindAnyway(client, target.tid, initiator);
      await accounts.ensure(target, others, acls);
      if (found !== undefined)
        await cutSessions(client, target, (initiator) => wanted.has(initiator), CUT_MS);
      await reach('export.locked');
      await ensureLun(client, target, device, identityOf(volumeId));
      for (const initiator of wanted) await bindInitiator(client, target.tid, initiator);
      if (!target.ready) await client.setReady(target.tid, true);
      return { portals: [...portals], iqn: target.name, lun: LUN };
    },
    async absent(volumeId) {
      const { target } = await lookUp(volumeId);
      if (target === undefined) return accounts.removeUnbound(iqnOf(volumeId));
      for (const initiator of target.initiators) await unbindAnyway(client, target.tid, initiator);
      await cutSessions(client, target, () => false, CUT_MS);
      await reach('export.emptied');
      await accounts.removeAll(target);
      await client.deleteTarget(target.tid);
    },
    async grown(volumeId, device, sizeBytes) {
      const { target } = await lookUp(volumeId);
      const shown = target?.luns.find(({ lun }) => lun === LUN);
      if (target === undefined || shown === undefined) return;
      if (target.ready && shown.megabytes === shownMegabytes(sizeBytes)) return;
      await reopenLun(client, target, device, identityOf(volumeId));
    },
    async find(volumeId) {
      const { target } = await lookUp(volumeId);
      return target === undefined ? null : (stateOf(target)[0] ?? null);
    },
    async lingering(volumeId, initiator) {
      const { target } = await lookUp(volumeId);
      return target === undefined ? null : await lingering(client, target, initiator);
    },
    list: async () => (await client.targets()).flatMap(stateOf),
    async inventory() {
      const items: ExportItem[] = [];
      for (const target of await client.targets()) {
        const volumeId = volumeOf(target);
        if (volumeId === null) continue;
        const lun = target.luns.find((each) => each.lun === LUN);
        items.push({
          volumeId,
          iqn: target.name,
          path: target.ready && lun?.online === true ? lun.path : null,
          lun: lun?.lun ?? null,
          serial: lun?.scsiSn ?? null,
          initiators: [...target.initiators],
          // tgtd is asked target by target; most have a session or none.
          sessions: target.sessions.length === 0 ? [] : await sessionsOf(client, target.tid),
        });
      }
      return items;
    },
  };
}

/** Who is logged in, once for each session. */
async function sessionsOf(client: TgtClient, tid: number): Promise<string[]> {
  const sessions = new Map((await client.connections(tid)).map(({ sid, initiator }) => [sid, initiator]));
  return [...sessions.values()].toSorted();
}

async function bindInitiator(client: TgtClient, tid: number, initiator: string): Promise<void> {
  try {
    await client.bindInitiator(tid, initiator);
  } catch (error) {
    if (!isErrno(error, TGT_ERRNO.aclExists)) throw error;
  }
}
