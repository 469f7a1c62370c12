import type { App } from '#api/http/context.ts';
import { conflict } from '#api/http/errors.ts';
import { CONDUCTOR_DEAD_MS, type ConductorDetails } from '#queues/conductor/sweeper.ts';
import { sqlTimeToMs } from '#schema/clock.ts';
import { DOWN_AFTER_S } from '#schema/reports.ts';
import type { ServicesTable, VolumesTable } from '#schema/tables.ts';
import { isUp } from './handlers.ts';

type Seen = Pick<ServicesTable, 'last_seen_at'>;

/**
 * In words, why an agent is down; null when it is up, or when nobody can say: it counts as silent only while conductors hear
 * reports at all, and they don't while Redis is away.
 */
export async function whyDown(app: App, service: Seen): Promise<string | null> {
  if (isUp(service, app.clock) || !(await isHeard(app))) return null;
  const silence = Math.round((app.clock.now() - sqlTimeToMs(service.last_seen_at)) / 1_000);
  return `is down: its agent last reported ${silence} s ago`;
}

/** Reports have come through to every conductor for as long as it takes to call an agent down. */
async function isHeard({ db, clock }: App): Promise<boolean> {
  const now = clock.now();
  const rows = await db
    .selectFrom('services')
    .select(['details', 'last_seen_at'])
    .where('binary', '=', 'blockyard-conductor')
    .execute();
  const alive = rows.filter(({ last_seen_at }) => now - sqlTimeToMs(last_seen_at) < CONDUCTOR_DEAD_MS);
  return (
    alive.length > 0 &&
    alive.every(({ details }) => {
      const { deafUntil = 0 } = JSON.parse(details) as Partial<ConductorDetails>;
      return now - deafUntil > DOWN_AFTER_S * 1_000;
    })
  );
}

/** As `whyDown`, for the agent of this kind on this host; null also when none has ever reported. */
export async function whyHostIsDown(
  app: App,
  binary: 'blockyard-storage' | 'blockyard-compute',
  agent: string,
): Promise<string | null> {
  const service = await app.db
    .selectFrom('services')
    .select('last_seen_at')
    .where('binary', '=', binary)
    .where('agent', '=', agent as ServicesTable['agent'])
    .orderBy('last_seen_at', 'desc')
    .executeTakeFirst();
  return service === undefined ? null : whyDown(app, service);
}

/** @throws ApiError 409 with the reason when the volume's storage host is down. */
export async function checkStorage(app: App, volume: Pick<VolumesTable, 'pool'>): Promise<void> {
  if (volume.pool === null) return;
  const host = volume.pool.split('#')[0] ?? '';
  const service = await app.db
    .selectFrom('services')
    .select(['host', 'last_seen_at', 'disabled', 'disabled_reason'])
    .where('binary', '=', 'blockyard-storage')
    .where('host', '=', host)
    .executeTakeFirst();
  // A disabled back end takes no new volumes; those it has can still be used.
  if (service !== undefined)
    await checkService(app, { ...service, disabled: 0 }, `Storage host ${service.host}`);
}

type Health = Pick<ServicesTable, 'last_seen_at' | 'disabled_reason'> & { readonly disabled: 0 | 1 };

/** @throws ApiError 409 with the reason when the agent could not do anything now. */
export async function checkService(app: App, service: Health, what: string): Promise<void> {
  if (service.disabled === 1) {
    const why = service.disabled_reason ?? '';
    throw conflict(`${what} is disabled${why === '' ? '' : `: ${why}`}.`);
  }
  const reason = await whyDown(app, service);
  if (reason !== null) throw conflict(`${what} ${reason}.`);
}
