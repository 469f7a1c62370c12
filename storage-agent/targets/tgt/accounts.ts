import { createHash, randomBytes } from 'node:crypto';
import { TaskError } from '#schema/tasks.ts';
import type { ClearAcl } from '../target.ts';
import type { TgtClient } from './client.ts';
import type { TgtTarget } from './show.ts';
import { TGT_ERRNO, TgtError } from './wire.ts';

/** Keeps a target's CHAP accounts. */
export interface Accounts {
  /**
   * Gives the target exactly these accounts.
   * @param others every other target, to keep off accounts that they use.
   * @throws TaskError `refused` when a user name is in use on another target: tgtd knows each name once.
   */
  ensure(target: TgtTarget, others: readonly TgtTarget[], acls: readonly ClearAcl[]): Promise<void>;
  /** Removes all of the target's accounts; nobody may be able to log in any more. */
  removeAll(target: TgtTarget): Promise<void>;
  /** Removes accounts that were made for the target of this name and never bound to it. */
  removeUnbound(name: string): Promise<void>;
}

/**
 * tgtd has two traps here (usr/target.c and usr/iscsi/iscsid.c, 1.0.85 to 1.0.97):
 * - Unbinding leaves a hole in the target's slots, after which the last account is not found at login and the next "show"
 *   reads a null pointer and kills the daemon. So only the last slot is ever unbound; those behind a leaving account
 *   are taken off and put back.
 * - A target without any account takes logins without CHAP. So the first slot holds a guard account that nobody
 *   knows the secret of, from before the first initiator is bound until after the last is unbound.
 */
export function createAccounts(client: TgtClient): Accounts {
  /** Secrets cannot be read back: what this process has set, by user name. */
  const known = new Map<string, string>();
  /** By the name of the target that they are for: user names that may be in tgtd without being bound, so that no target shows them. */
  const unbound = new Map<string, Set<string>>();
  let leftovers: Promise<void> | undefined;

  const loose = (name: string, username: string): void => {
    unbound.set(name, (unbound.get(name) ?? new Set()).add(username));
  };

  const fasten = (name: string, username: string): void => {
    const left = unbound.get(name);
    left?.delete(username);
    if (left?.size === 0) unbound.delete(name);
  };

  const forget = async (username: string): Promise<void> => {
    known.delete(username);
    await remove(client, username);
  };

  /** What was not bound when an agent before this one died; before this one makes any, as these would look the same. */
  const removeLeftovers = (): Promise<void> => {
    leftovers ??= sweep(client).catch((error: unknown) => {
      leftovers = undefined;
      throw error;
    });
    return leftovers;
  };

  const create = async ({ name }: TgtTarget, username: string, secret: string): Promise<void> => {
    await forget(username);
    loose(name, username);
    await client.createAccount(username, secret);
    known.set(username, digest(secret));
  };

  const bind = async ({ tid, name }: TgtTarget, username: string): Promise<void> => {
    try {
      await client.bindAccount(tid, username);
    } catch (error) {
      if (!isErrno(error, TGT_ERRNO.userExists)) throw error;
    }
    fasten(name, username);
  };

  const unbind = async ({ tid, name }: TgtTarget, username: string): Promise<void> => {
    loose(name, username);
    await client.unbindAccount(tid, username);
  };

  /** Takes the guard's place when it is not there, which only a meddler or a crash can bring about. */
  const ensureGuard = async (target: TgtTarget): Promise<readonly string[]> => {
    const guard = guardOf(target);
    if (target.accounts[0] === guard) return target.accounts.slice(1);
    for (const initiator of target.initiators) await unbindAnyway(client, target.tid, initiator);
    for (const username of target.accounts.toReversed()) await unbind(target, username);
    await create(target, guard, randomBytes(24).toString('base64url'));
    await bind(target, guard);
    return [];
  };

  const removeUnboundBut = async (name: string, wanted: ReadonlyMap<string, unknown>): Promise<void> => {
    for (const username of unbound.get(name) ?? []) {
      if (wanted.has(username)) continue;
      await forget(username);
      fasten(name, username);
    }
  };

  const removeUnbound = async (name: string): Promise<void> => {
    await removeLeftovers();
    await removeUnboundBut(name, new Map());
  };

  return {
    removeUnbound,
    async ensure(target, others, acls) {
      await removeLeftovers();
      // tgtd may have bound one without our hearing of it. Removed as unbound, the guard would be missing, and leave a hole.
      for (const username of target.accounts) fasten(target.name, username);
      const wanted = new Map(acls.map(({ username, secret }) => [username, secret]));
      for (const username of wanted.keys())
        if (others.some(({ accounts }) => accounts.includes(username)))
          throw new TaskError('refused', 'a CHAP user name is in use on another target of this tgtd');
      const bound = await ensureGuard(target);
      const stays = (username: string): boolean => {
        const secret = wanted.get(username);
        return secret !== undefined && known.get(username) === digest(secret);
      };
      const kept = bound.findIndex((username) => !stays(username));
      const inPlace = new Set(kept === -1 ? bound : bound.slice(0, kept));
      for (const username of bound.toReversed()) {
        if (inPlace.has(username)) break;
        if (stays(username)) await unbind(target, username);
        else await forget(username);
      }
      await removeUnboundBut(target.name, wanted);
      for (const [username, secret] of wanted) {
        if (inPlace.has(username)) continue;
        if (!bound.includes(username) || !stays(username)) await create(target, username, secret);
        await bind(target, username);
      }
    },
    async removeAll(target) {
      for (const username of target.accounts.toReversed()) await forget(username);
      await removeUnbound(target.name);
    },
  };
}

const GUARD = 'guard:';
/** As the api names them: a UUID without its dashes. */
const OURS = /^[0-9a-f]{32}$/;

/** Removes what looks like an account of ours and is bound to no target. */
async function sweep(client: TgtClient): Promise<void> {
  const names = (await client.accounts()).filter((name) => OURS.test(name) || name.startsWith(GUARD));
  const bound = new Set((await client.targets()).flatMap(({ accounts }) => accounts));
  for (const name of names) if (!bound.has(name)) await remove(client, name);
}

/** Lets an initiator in no more; `initiator` is a name or, in a target that someone else has opened, an address. */
export async function unbindAnyway(client: TgtClient, tid: number, initiator: string): Promise<void> {
  try {
    await client.unbindInitiator(tid, initiator);
  } catch (error) {
    if (!isErrno(error, TGT_ERRNO.noAcl)) throw error;
    await client.unbindAddress(tid, initiator);
  }
}

/** True for a refusal of tgtd with this number. */
export function isErrno(error: unknown, errno: number): boolean {
  return error instanceof TgtError && error.errno === errno;
}

async function remove(client: TgtClient, username: string): Promise<void> {
  try {
    await client.deleteAccount(username);
  } catch (error) {
    if (!isErrno(error, TGT_ERRNO.noUser)) throw error;
  }
}

function guardOf({ name }: TgtTarget): string {
  return `${GUARD}${name}`;
}

function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
