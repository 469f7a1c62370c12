import type { Selectable } from 'kysely';
import type { App } from '#api/http/context.ts';
import { ApiError } from '#api/http/errors.ts';
import type { ServicesTable } from '#schema/tables.ts';

export type ServiceRow = Selectable<ServicesTable>;

/** Cinder's ServiceNotFound. */
export const serviceNotFound = (binary: string, host: string): ApiError =>
  new ApiError(404, `Service ${binary} could not be found on host ${host.toWellFormed()}.`);

/** Those of `host@backend`; of each of its back ends when a host is named alone. A pool has none. */
export async function servicesOn(
  { db }: App,
  host: string,
  binary?: ServiceRow['binary'],
): Promise<ServiceRow[]> {
  return db
    .selectFrom('services')
    .selectAll()
    .where((where) => where.or([where('host', '=', host), where('agent', '=', host as never)]))
    .$if(binary !== undefined, (query) => query.where('binary', '=', binary ?? 'blockyard-storage'))
    .orderBy('id')
    .execute();
}
