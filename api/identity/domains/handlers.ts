import type { Kysely, Selectable } from 'kysely';
import type { z } from 'zod';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import type { Input, Reply } from '#api/http/route.ts';
import type { IdentityDomainsTable, Tables } from '#schema/tables.ts';
import { comparable } from '../comparable.ts';
import { forbidden, notFound } from '../errors.ts';
import { identityOf, linksOf, newId } from '../fields.ts';
import { type Filters, matching } from '../filters.ts';
import { checkMutable, immutableOf, optionsOf, type resourceOptions } from '../options.ts';
import { stored } from '../stored.ts';
import { mayAdminister, sessionOf } from '../who.ts';

type Row = Selectable<IdentityDomainsTable>;
type Query = Record<string, string>;

export const DOMAIN_FILTERS: Filters = { texts: { name: 'name' }, flags: ['enabled'] };

/** What a client may set. */
interface Domain {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly enabled?: boolean | undefined;
  readonly options?: z.infer<typeof resourceOptions> | undefined;
}

/** Keystone's own, which cannot go. */
const DEFAULT_DOMAIN = 'default';
const UUID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

export const domainView = ({ selfUrl }: RequestContext, row: Row) => ({
  id: row.id,
  name: row.name,
  description: row.description,
  enabled: row.enabled === 1,
  tags: [],
  options: optionsOf(row),
  links: { self: `${selfUrl}/domains/${row.id}` },
});

export async function listDomains(
  context: RequestContext,
  { query }: Input<object, Query, unknown>,
): Promise<Reply> {
  identityOf(context);
  const rows = await context.app.db
    .selectFrom('identity_domains')
    .selectAll()
    .where(matching(query, DOMAIN_FILTERS))
    .orderBy('name')
    .execute();
  return {
    status: 200,
    body: { domains: rows.map((row) => domainView(context, row)), links: linksOf(context, '/domains') },
  };
}

/** One's own may be seen by anybody. */
export async function showDomain(
  context: RequestContext,
  { params: { id } }: Input<{ id: string }, Query, unknown>,
): Promise<Reply> {
  if (!mayAdminister(context.caller)) {
    const { userDomain, scope } = await sessionOf(context);
    const known = [userDomain.id, ...('domain' in scope ? [scope.domain.id] : [])];
    if (!known.includes(id)) throw forbidden('identity:get_domain');
  }
  return { status: 200, body: { domain: domainView(context, await findDomain(context, id)) } };
}

export async function createDomain(
  context: RequestContext,
  {
    body,
  }: Input<object, Query, { domain: Domain & { name: string; explicit_domain_id?: string | undefined } }>,
): Promise<Reply> {
  const { name, description, enabled = true, explicit_domain_id: id = newId(context), options } = body.domain;
  if (!UUID.test(id)) throw badRequest('Domain ID does not conform to required UUID format.');
  const row: Row = {
    id,
    name,
    description: description ?? '',
    enabled: enabled ? 1 : 0,
    immutable: immutableOf(options),
  };
  await stored('domain', row, () =>
    identityOf(context).change((trx) => trx.insertInto('identity_domains').values(row).execute()),
  );
  return { status: 201, body: { domain: domainView(context, row) } };
}

export async function updateDomain(
  context: RequestContext,
  { params: { id }, body }: Input<{ id: string }, Query, { domain: Domain }>,
): Promise<Reply> {
  const old = await findDomain(context, id);
  const { domain: sent } = body;
  checkMutable('domain', old, sent);
  const { name = old.name, description = old.description, enabled = old.enabled === 1 } = sent;
  const immutable = immutableOf(sent.options, old.immutable);
  const row: Row = { ...old, name, description: description ?? '', enabled: enabled ? 1 : 0, immutable };
  await stored('domain', row, () =>
    identityOf(context).change((trx) =>
      trx.updateTable('identity_domains').set(row).where('id', '=', old.id).execute(),
    ),
  );
  return { status: 200, body: { domain: domainView(context, row) } };
}

export async function deleteDomain(
  context: RequestContext,
  { params }: Input<{ id: string }, Query, unknown>,
): Promise<Reply> {
  await identityOf(context).change(async (trx) => {
    const domain = await byId(trx, params.id).forUpdate().executeTakeFirst();
    if (domain === undefined) throw notFound('domain', params.id);
    checkDeletable(domain);
    const { id } = domain;
    for (const table of ['identity_assignments', 'identity_group_assignments'] as const)
      await trx
        .deleteFrom(table)
        .where((where) =>
          where.or([
            where.and([where('scope', 'in', ['domain', 'inherit']), where('scope_id', '=', id)]),
            where.and([
              where('scope', '=', 'project'),
              where(
                'scope_id',
                'in',
                where.selectFrom('identity_projects').select('id').where('domain_id', '=', id),
              ),
            ]),
          ]),
        )
        .execute();
    await trx.deleteFrom('identity_domains').where('id', '=', id).execute();
  });
  return { status: 204 };
}

/** @throws ApiError 403 */
function checkDeletable(domain: Row): void {
  checkMutable('domain', domain);
  if (domain.enabled === 1)
    throw new ApiError(403, 'Cannot delete a domain that is enabled, please disable it first.');
  if (domain.id === DEFAULT_DOMAIN) throw forbidden('delete the default domain');
}

const byId = (db: Kysely<Tables>, id: string) =>
  db.selectFrom('identity_domains').selectAll().where('id', '=', comparable(id));

/** @throws ApiError 404 */
export async function findDomain(context: RequestContext, id: string): Promise<Row> {
  identityOf(context);
  const row = await byId(context.app.db, id).executeTakeFirst();
  if (row === undefined) throw notFound('domain', id);
  return row;
}
