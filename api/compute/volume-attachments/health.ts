import { isUp } from '#api/block-storage/services/handlers.ts';
import type { VolumeRow } from '#api/block-storage/volumes/rows.ts';
import type { App } from '#api/http/context.ts';
import { conflict } from '#api/http/errors.ts';
import { sqlTimeToMs } from '#schema/clock.ts';
import type { ServicesTable } from '#schema/tables.ts';
import type { ServerRow } from '../servers/rows.ts';

/** @throws ApiError 409 with the reason when the server's host could not do it now. */
export async function findInitiator(app: App, server: ServerRow): Promise<string> {
  const service = await hostOf(app, server);
  checkService(app, service, `Host ${service.host} of server ${server.id}`);
  const { initiator } = JSON.parse(service.details) as { initiator?: unknown };
  if (typeof initiator !== 'string' || initiator === '') {
    throw conflict(`The compute agent on host ${server.host} reports no initiator.`);
  }
  return initiator;
}

/** @throws ApiError 409 with the reason when nobody is there to switch the server on or off. */
export async function checkHost(app: App, server: ServerRow): Promise<void> {
  const service = await hostOf(app, server);
  // A disabled one takes no new servers; those it has are its own.
  checkService(app, { ...service, disabled: 0 }, `Host ${service.host} of server ${server.id}`);
}

async function hostOf(app: App, server: ServerRow) {
  const service = await app.db
    .selectFrom('services')
    .select(['host', 'last_seen_at', 'disabled', 'disabled_reason', 'details'])
    .where('binary', '=', 'blockyard-compute')
    .where('host', '=', server.host)
    .executeTakeFirst();
  if (service === undefined) throw conflict(`No compute agent has reported from host ${server.host}.`);
  return service;
}

/** @throws ApiError 409 with the reason when the volume's storage host is down. */
export async function checkStorage(app: App, volume: VolumeRow): Promise<void> {
  if (volume.pool === null) return;
  const host = volume.pool.split('#')[0] ?? '';
  const service = await app.db
    .selectFrom('services')
    .select(['host', 'last_seen_at', 'disabled', 'disabled_reason'])
    .where('binary', '=', 'blockyard-storage')
    .where('host', '=', host)
    .executeTakeFirst();
  // A disabled back end takes no new volumes; those it has can still be used.
  if (service !== undefined) checkService(app, { ...service, disabled: 0 }, `Storage host ${service.host}`);
}

type Health = Pick<ServicesTable, 'last_seen_at' | 'disabled_reason'> & { readonly disabled: 0 | 1 };

function checkService(app: App, service: Health, what: string): void {
  if (service.disabled === 1) {
    throw conflict(
      `${what} is disabled${service.disabled_reason === null ? '' : `: ${service.disabled_reason}`}.`,
    );
  }
  if (isUp(service, app.clock)) return;
  const silence = Math.round((app.clock.now() - sqlTimeToMs(service.last_seen_at)) / 1_000);
  throw conflict(`${what} is down: its agent last reported ${silence} s ago.`);
}
