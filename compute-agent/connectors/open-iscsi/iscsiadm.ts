import { ProgramError } from '#agent/program-error.ts';
import type { Runner } from '#agent/run.ts';
import { type Portal, portalText } from '../portal.ts';

/** More than the ten seconds of each record's one login attempt; all portals are tried at once. */
const TIMEOUT_MS = 40_000;

/** Source: open-iscsi include/iscsi_err.h. */
const SESSION_EXISTS = 15;
const NOTHING_FOUND = 21;

/**
 * Logs in as the target's records say: to one portal, or to all that have a record. A session that exists is success.
 * @throws ProgramError; with several portals also when only some could be reached, so look which sessions there are.
 */
export async function login(runner: Runner, iqn: string, portal?: Portal): Promise<void> {
  const at = portal === undefined ? [] : ['--portal', portalText(portal)];
  await tolerant(runner, ['--targetname', iqn, ...at, '--login'], SESSION_EXISTS);
}

/**
 * Ends all sessions with the target, and removes whatever devices they still have. None is success.
 * @throws ProgramError
 */
export async function logout(runner: Runner, iqn: string): Promise<void> {
  await tolerant(runner, ['--targetname', iqn, '--logout'], NOTHING_FOUND);
}

async function tolerant(runner: Runner, args: readonly string[], fine: number): Promise<void> {
  try {
    await runner.run('iscsiadm', ['--mode', 'node', ...args], { timeoutMs: TIMEOUT_MS });
  } catch (error) {
    if (!(error instanceof ProgramError && error.failure.exitCode === fine)) throw error;
  }
}
