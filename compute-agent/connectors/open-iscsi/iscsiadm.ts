import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import { type Portal, portalText } from '../portal.ts';

/** More than the ten seconds of each record's one login attempt; all portals are tried at once. */
const TIMEOUT_MS = 40_000;

/** Source: open-iscsi include/iscsi_err.h. */
const SESSION_EXISTS = 15;
const NOTHING_FOUND = 21;
/** The program's own last line only counts portals. */
const REASONS: Readonly<Record<number, string>> = {
  4: 'the connection broke',
  5: 'the login failed',
  8: 'the portal does not answer',
  12: 'the kernel has no iscsi_tcp',
  19: 'the target does not know this initiator, or is not there',
  20: 'iscsid does not run',
  24: 'the target refuses the account or the initiator',
};

/**
 * Logs in as the target's records say: to one portal, or to all that have a record. A session that exists is success.
 * @throws Error; with several portals also when only some could be reached, so look which sessions there are.
 */
export async function login(runner: Runner, iqn: string, portal?: Portal): Promise<void> {
  const at = portal === undefined ? [] : ['--portal', portalText(portal)];
  await tolerant(runner, ['--targetname', iqn, ...at, '--login'], SESSION_EXISTS);
}

/**
 * Ends all sessions with the target, and removes whatever devices they still have. None is success.
 * @throws Error
 */
export async function logout(runner: Runner, iqn: string): Promise<void> {
  await tolerant(runner, ['--targetname', iqn, '--logout'], NOTHING_FOUND);
}

async function tolerant(runner: Runner, args: readonly string[], fine: number): Promise<void> {
  try {
    await runner.run('iscsiadm', ['--mode', 'node', ...args], { timeoutMs: TIMEOUT_MS });
  } catch (error) {
    const code = error instanceof ProgramError ? error.failure.exitCode : undefined;
    if (code === fine) return;
    const reason = code === undefined ? undefined : REASONS[code];
    throw reason === undefined ? error : new Error(`iSCSI: ${reason}`, { cause: error });
  }
}
