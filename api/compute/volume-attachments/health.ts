import { checkService } from '#api/block-storage/services/down.ts';
import type { App } from '#api/http/context.ts';
import { conflict } from '#api/http/errors.ts';
import type { HostName, VolumeId } from '#schema/ids.ts';
import type { ServerRow } from '../servers/rows.ts';

/** @throws ApiError 409 with the reason when the server's host could not do it now. */
export async function findInitiator(app: App, server: ServerRow): Promise<string> {
  const service = await hostOf(app, server);
  await checkService(app, service, `Host ${service.host} of server ${server.id}`);
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
  await checkService(app, { ...service, disabled: 0 }, `Host ${service.host} of server ${server.id}`);
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

/**
 * @throws ApiError 409 while the host has yet to be rid of the volume, which was taken from it when it was down: what is left
 * there must not be mistaken for the new attachment's.
 */
export async function checkEvicted({ db }: App, volumeId: VolumeId, host: HostName | null): Promise<void> {
  if (host === null) return;
  const pending = await db
    .selectFrom('evictions')
    .select(['created_at', 'error'])
    .where('host', '=', host)
    .where('volume_id', '=', volumeId)
    .executeTakeFirst();
  if (pending === undefined) return;
  const last = pending.error === null ? '' : ` Its agent could not yet: ${pending.error}`;
  throw conflict(
    `Volume ${volumeId} was taken from host ${host} by force at ${pending.created_at.slice(0, 19)} UTC, and the host has not been cleared of it since; try again in a moment.${last}`,
  );
}
