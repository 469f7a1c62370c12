import { checkService } from '#api/block-storage/services/down.ts';
import type { App } from '#api/http/context.ts';
import { conflict } from '#api/http/errors.ts';
import type { VolumeId } from '#schema/ids.ts';
import type { ServerRow } from '../servers/rows.ts';

/**
 * @throws ApiError 409 with the reason when the server's host could not do it now: also while it has yet to be cleared of the
 * volume, which was taken from it by force when it was down.
 */
export async function findInitiator(app: App, server: ServerRow, volumeId: VolumeId): Promise<string> {
  const service = await hostOf(app, server, volumeId);
  await checkService(app, service, `Host ${service.host} of server ${server.id}`);
  const { initiator } = JSON.parse(service.details) as { initiator?: unknown };
  if (typeof initiator !== 'string' || initiator === '') {
    throw conflict(`The compute agent on host ${server.host} reports no initiator.`);
  }
  if (service.taken_at !== null) {
    throw conflict(
      `Volume ${volumeId} was taken from host ${server.host} by force at ${service.taken_at.slice(0, 19)} UTC, and the host has not been cleared of it since; try again in a moment.`,
    );
  }
  return initiator;
}

/** @throws ApiError 409 with the reason when nobody is there to switch the server on or off. */
export async function checkHost(app: App, server: ServerRow): Promise<void> {
  const service = await hostOf(app, server, null);
  // A disabled one takes no new servers; those it has are its own.
  await checkService(app, { ...service, disabled: 0 }, `Host ${service.host} of server ${server.id}`);
}

async function hostOf(app: App, server: ServerRow, volumeId: VolumeId | null) {
  const service = await app.db
    .selectFrom('services')
    .select(['host', 'last_seen_at', 'disabled', 'disabled_reason', 'details'])
    .select((eb) =>
      eb
        .selectFrom('evictions')
        .select((one) => one.fn.max('evictions.created_at').as('at'))
        .where('evictions.volume_id', '=', volumeId)
        .whereRef('evictions.host', '=', 'services.host')
        .as('taken_at'),
    )
    .where('binary', '=', 'blockyard-compute')
    .where('host', '=', server.host)
    .executeTakeFirst();
  if (service === undefined) throw conflict(`No compute agent has reported from host ${server.host}.`);
  return service;
}
