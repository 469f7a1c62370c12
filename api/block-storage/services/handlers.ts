import type { Selectable } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { invalidInput } from '#api/http/errors.ts';
import { isoTime } from '#api/http/fields.ts';
import type { Reply } from '#api/http/route.ts';
import { type Clock, sqlTime, sqlTimeToMs } from '#schema/clock.ts';
import { DOWN_AFTER_S } from '#schema/reports.ts';
import { CINDER_BINARIES, ourBinary } from '#schema/services.ts';
import type { ServicesTable } from '#schema/tables.ts';
import { serviceNotFound, servicesOn } from './find.ts';

type ServiceRow = Selectable<ServicesTable>;

export function isUp(row: Pick<ServiceRow, 'last_seen_at'>, clock: Clock): boolean {
  return clock.now() - sqlTimeToMs(row.last_seen_at) <= DOWN_AFTER_S * 1_000;
}

export async function listServices(
  context: RequestContext,
  query: Readonly<Record<string, string>>,
): Promise<Reply> {
  const rows = await context.app.db.selectFrom('services').selectAll().orderBy('id').execute();
  const wanted = rows.filter(
    (row) =>
      ((query['host'] ?? '') === '' || row.host === query['host'] || row.agent === query['host']) &&
      (query['binary'] === undefined || row.binary === ourBinary(query['binary'])),
  );
  return { status: 200, body: { services: wanted.map((row) => view(context, row)) } };
}

function view({ app, microversion }: RequestContext, row: ServiceRow) {
  const state = isUp(row, app.clock) ? 'up' : 'down';
  const storage = row.binary === 'blockyard-storage';
  return {
    binary: CINDER_BINARIES[row.binary],
    host: row.host,
    zone: row.availability_zone,
    status: row.disabled === 1 ? 'disabled' : 'enabled',
    state,
    updated_at: isoTime(row.last_seen_at),
    disabled_reason: row.disabled_reason,
    ...(storage && microversion >= 49 && { backend_state: state }),
    ...(microversion >= 7 && { cluster: null }),
    ...(storage && { replication_status: 'disabled', active_backend_id: null, frozen: row.frozen === 1 }),
  };
}

interface Named {
  readonly host?: string | null | undefined;
  readonly binary?: string | undefined;
  readonly service?: string | undefined;
}

interface Wanted {
  readonly disabled: boolean;
  readonly reason?: string | null;
}

/**
 * A disabled service gets no new volumes and no new attachments; what it has goes on. The reason that was given last stays, as
 * in Cinder, until another one is.
 */
export async function setService(context: RequestContext, named: Named, wanted: Wanted): Promise<Reply> {
  const { binary = '', service = '' } = named;
  const host = named.host ?? '';
  const name = binary === '' ? service : binary;
  if (host === '') throw invalidInput('Host field is missing.');
  const known = ourBinary(name);
  // A host's name alone means the first of its back ends, as in Cinder.
  const [found] = known === undefined ? [] : await servicesOn(context.app, host, known);
  if (found === undefined) throw serviceNotFound(name, host);
  await context.app.db
    .updateTable('services')
    .set({
      disabled: wanted.disabled ? 1 : 0,
      ...(wanted.reason !== undefined && { disabled_reason: wanted.reason }),
      updated_at: sqlTime(context.app.clock.now()),
    })
    .where('id', '=', found.id)
    .execute();
  return {
    status: 200,
    body: {
      host,
      service,
      binary,
      status: wanted.disabled ? 'disabled' : 'enabled',
      disabled: wanted.disabled,
      // Enabling says so too, as clients' schemas want it.
      ...(wanted.reason !== undefined && { disabled_reason: wanted.reason }),
      ...(!wanted.disabled && { disabled_reason: found.disabled_reason }),
    },
  };
}
