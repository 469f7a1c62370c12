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

  const forget = async (username: string): Promise<void> => {
    known.delete(username);
    await remove(client, username);
  };

  const create = async (username: string, secret: string): Promise<void> => {
    await forget(username);
    await client.createAccount(username, secret);
    known.set(username, digest(secret));
  };

  const bind = async ({ tid }: TgtTarget, username: string): Promise<void> => {
    try {
      await client.bindAccount(tid, username);
    } catch (error) {
      if (!isErrno(error, TGT_ERRNO.userExists)) throw error;
    }
  };

  /** Takes the guard's place when it is not there, which only a meddler or a crash can bring about. */
  const ensureGuard = async (target: TgtTarget): Promise<readonly string[]> => {
    const guard = guardOf(target);
    if (target.accounts[0] === guard) return target.accounts.slice(1);
    for (const initiator of target.initiators) await unbindAnyway(client, target.tid, initiator);
    for (const username of target.accounts.toReversed()) await client.unbindAccount(target.tid, username);
    await remove(client, guard);
    await client.createAccount(guard, randomBytes(24).toString('base64url'));
    await bind(target, guard);
    return [];
  };

  return {
    async ensure(target, others, acls) {
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
        if (stays(username)) await client.unbindAccount(target.tid, username);
        else await forget(username);
      }
      for (const [username, secret] of wanted) {
        if (inPlace.has(username)) continue;
        if (!bound.includes(username) || !stays(username)) await create(username, secret);
        await bind(target, username);
      }
    },
    async removeAll(target) {
      for (const username of target.accounts.toReversed()) {
        await forget(username);
      }
    },
  };
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
  return `guard:${name}`;
}

function digest(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
