import type { RequestContext } from '#api/http/context.ts';
import { ApiError, conflict } from '#api/http/errors.ts';
import type { Input, Reply } from '#api/http/route.ts';
import { isDuplicateKey } from '#queues/database.ts';
import type { Named } from '../builtin/session.ts';
import { identityOf } from '../fields.ts';
import { findRole } from './handlers.ts';
import { implications } from './implications.ts';

type Query = Record<string, string>;
type OfPrior = Input<{ id: string }, Query, unknown>;
type OfBoth = Input<{ id: string; implied_id: string }, Query, unknown>;

/** In no role's gift, as in Keystone: who may make roles imply others would else make anybody an administrator. */
const NEVER_IMPLIED = 'admin';

const shown = ({ selfUrl }: RequestContext, { id, name }: Named) => ({
  id,
  name,
  links: { self: `${selfUrl}/roles/${id}` },
});

/** Every role that implies others. */
export async function listInferences(context: RequestContext): Promise<Reply> {
  identityOf(context);
  const byPrior = Map.groupBy(await implications(context.app.db), ({ prior }) => prior.id);
  const inferences = [...byPrior.values()].map((rules) => ({
    prior_role: shown(context, rules[0]!.prior),
    implies: rules.map(({ implied }) => shown(context, implied)),
  }));
  return { status: 200, body: { role_inferences: inferences } };
}

export async function listImplied(context: RequestContext, { params: { id } }: OfPrior): Promise<Reply> {
  const prior = await findRole(context, id);
  const rules = (await implications(context.app.db)).filter((rule) => rule.prior.id === id);
  return {
    status: 200,
    body: {
      role_inference: {
        prior_role: shown(context, prior),
        implies: rules.map(({ implied }) => shown(context, implied)),
      },
      links: { self: `${context.selfUrl}/roles/${id}/implies` },
    },
  };
}

export async function showImplied(context: RequestContext, { params }: OfBoth): Promise<Reply> {
  const found = await find(context, params);
  const rules = await implications(context.app.db);
  if (!rules.some(({ prior, implied }) => prior.id === found.prior.id && implied.id === found.implied.id))
    throw noImplication(params);
  return { status: 200, body: view(context, found) };
}

/** @throws ApiError 403 for what no role may imply, 409 when it is so already. */
export async function imply(context: RequestContext, { params }: OfBoth): Promise<Reply> {
  const { prior, implied } = await find(context, params);
  if (implied.name === NEVER_IMPLIED) throw new ApiError(403, `${implied.id} cannot be an implied roles.`);
  try {
    await identityOf(context).change((trx) =>
      trx
        .insertInto('identity_role_implications')
        .values({ prior_role_id: prior.id, implied_role_id: implied.id })
        .execute(),
    );
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    throw conflict('Conflict occurred attempting to store implied_role - Duplicate entry.');
  }
  return { status: 201, body: view(context, { prior, implied }) };
}

export async function implyNoLonger(context: RequestContext, { params }: OfBoth): Promise<Reply> {
  const { prior, implied } = await find(context, params);
  await identityOf(context).change(async (trx) => {
    const { numDeletedRows } = await trx
      .deleteFrom('identity_role_implications')
      .where('prior_role_id', '=', prior.id)
      .where('implied_role_id', '=', implied.id)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw noImplication(params);
  });
  return { status: 204 };
}

async function find(context: RequestContext, { id, implied_id }: OfBoth['params']) {
  return { prior: await findRole(context, id), implied: await findRole(context, implied_id) };
}

const view = (context: RequestContext, { prior, implied }: { prior: Named; implied: Named }) => ({
  role_inference: { prior_role: shown(context, prior), implies: shown(context, implied) },
  links: { self: `${context.selfUrl}/roles/${prior.id}/implies/${implied.id}` },
});

const noImplication = ({ id, implied_id }: OfBoth['params']): ApiError =>
  new ApiError(404, `${id} does not imply ${implied_id}.`);
