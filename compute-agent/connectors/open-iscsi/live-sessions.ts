import type { Portal } from '../portal.ts';
import { login } from './iscsiadm.ts';
import type { MapDeps } from './maps.ts';
import { isAt, listSessions, type Session } from './sessions.ts';

/**
 * Logs in where there is no session yet: at every portal, or at the first one that answers. One `iscsiadm` does all of them.
 * @returns sessions that are logged in, in the order of the portals; one unless `several`.
 * @throws Error of the last login, or when the only sessions are cut off from their target.
 */
export async function liveSessions(
  { places, runner }: Pick<MapDeps, 'places' | 'runner'>,
  iqn: string,
  portals: readonly Portal[],
  several: boolean,
): Promise<Session[]> {
  const find = (): Promise<Session[]> => listSessions(places.sys, (each) => each === iqn);
  let failure: unknown;
  const attempt = async (portal?: Portal): Promise<void> => {
    try {
      await login(runner, iqn, portal);
    } catch (error) {
      failure = error;
    }
    sessions = await find();
  };

  const usable = (): Session[] =>
    portals.flatMap((portal) => sessions.filter((each) => isLive(each) && isAt(each, portal)));

  let sessions = await find();
  const missing = portals.filter((portal) => !sessions.some((session) => isAt(session, portal)));
  if (several) {
    if (missing.length > 0) await attempt();
  } else {
    for (const portal of missing) {
      if (usable().length > 0) break;
      await attempt(portal);
    }
  }
  const live = usable();
  if (live.length === 0)
    throw (
      failure ??
      new Error(`the target ${iqn} does not answer: its session is ${sessions[0]?.state ?? 'gone'}`)
    );
  return several ? live : live.slice(0, 1);
}

/** I/O reaches the target. */
export function isLive({ state }: Session): boolean {
  return state === 'LOGGED_IN';
}
