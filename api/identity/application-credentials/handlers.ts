import { randomBytes } from 'node:crypto';
import type { Transaction } from 'kysely';
import type { RequestContext } from '#api/http/context.ts';
import { ApiError, badRequest } from '#api/http/errors.ts';
import type { Input, Reply } from '#api/http/route.ts';
import { isDangling } from '#api/http/sql-errors.ts';
import { isDuplicateKey, transact } from '#queues/database.ts';
import { sqlTime } from '#schema/clock.ts';
import type { ProjectId, UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { loadSession, type Named, type Session } from '../builtin/session.ts';
import { comparable } from '../comparable.ts';
import { duplicate, forbidden, notFound, unauthorized } from '../errors.ts';
import { identityOf, linksOf, newId } from '../fields.ts';
import { findUser } from '../users/handlers.ts';
import { lockUser } from '../users/lock.ts';
import { checkOwn, sessionOf } from '../who.ts';
import { expiry } from './expiry.ts';
import { credentialRows, viewOf } from './rows.ts';

type Query = Record<string, string>;
type OfUser = Input<{ id: string }, Query, unknown>;
type ById = Input<{ id: string; credential_id: string }, Query, unknown>;

interface Body {
  readonly application_credential: {
    readonly name: string;
    readonly description?: string | null | undefined;
    readonly secret?: string | null | undefined;
    readonly expires_at?: string | null | undefined;
    readonly roles?:
      | readonly { readonly id?: string | undefined; readonly name?: string | undefined }[]
      | null
      | undefined;
    readonly unrestricted?: boolean | undefined;
  };
}

/** Every one costs its maker a hash and us a few rows. */
const MOST_OF_A_USER = 1_000;
const SECRET_BYTES = 32;

export async function listCredentials(
  context: RequestContext,
  { params: { id }, query: { name } }: OfUser,
): Promise<Reply> {
  identityOf(context);
  checkOwn(context, id, 'list_application_credentials');
  await findUser(context, id);
  const rows = await credentialRows(context, id, name === undefined ? {} : { name });
  return {
    status: 200,
    body: {
      application_credentials: rows.map((row) => viewOf(context, row)),
      links: linksOf(context, `/users/${id}/application_credentials`),
    },
  };
}

export async function showCredential(context: RequestContext, { params }: ById): Promise<Reply> {
  identityOf(context);
  checkOwn(context, params.id, 'get_application_credential');
  const [row] = await credentialRows(context, params.id, { id: params.credential_id });
  if (row === undefined) throw noCredential(params.credential_id);
  return { status: 200, body: { application_credential: viewOf(context, row) } };
}

/**
 * For the token's project, with no more than the token's roles. The secret is told here and never again.
 * @throws ApiError 400 for roles that the token lacks, 401 when it has ended meanwhile, 403 for anybody else's, and by a token that is for no project or came of a restricted credential.
 */
export async function createCredential(
  context: RequestContext,
  { params: { id }, body }: Input<{ id: string }, Query, Body>,
): Promise<Reply> {
  const { passwords } = identityOf(context);
  const session = await sessionOf(context);
  const { user, scope } = session;
  if (user.id !== id || scope.type !== 'project') throw forbidden('identity:create_application_credential');
  checkUnrestricted(session);
  const { name, description = null, expires_at, roles, unrestricted = false } = body.application_credential;
  const expires = expiry(expires_at, context.app.clock.now());
  await checkRoom(context, id);
  // Not `??`: an empty one is none, as in Keystone.
  const secret = body.application_credential.secret || randomBytes(SECRET_BYTES).toString('base64url');
  const hash = await passwords.hash(secret);
  const credential_id = newId(context);
  try {
    // Nothing that is remembered of tokens is different for it: no generation to count up.
    await transact(context.app.db, async (trx) => {
      const asked = rolesOf(await sessionNow(trx, session), roles ?? []);
      await trx
        .insertInto('identity_application_credentials')
        .values({
          id: credential_id,
          user_id: id as UserId,
          project_id: scope.project.id as ProjectId,
          name,
          description,
          secret: hash,
          unrestricted: unrestricted ? 1 : 0,
          expires_at: expires === null ? null : sqlTime(expires),
          locked_until: null,
        })
        .execute();
      await trx
        .insertInto('identity_application_credential_roles')
        .values(asked.map((role) => ({ credential_id, role_id: role.id })))
        .execute();
    });
  } catch (error) {
    // The project or a role has gone this moment.
    if (isDangling(error)) throw unauthorized();
    throw isDuplicateKey(error) ? duplicate('application_credential', `name ${name}`) : error;
  }
  const [row] = await credentialRows(context, id, { id: credential_id });
  if (row === undefined) throw noCredential(credential_id);
  return { status: 201, body: { application_credential: { ...viewOf(context, row), secret } } };
}

export async function deleteCredential(context: RequestContext, { params }: ById): Promise<Reply> {
  const identity = identityOf(context);
  const { token } = context;
  checkOwn(context, params.id, 'delete_application_credential');
  // An operators' token from a file has no session, and may.
  if (token !== undefined && identity.format.open(token) !== undefined)
    checkUnrestricted(await sessionOf(context));
  await identity.change(async (trx) => {
    const { numDeletedRows } = await trx
      .deleteFrom('identity_application_credentials')
      .where('id', '=', comparable(params.credential_id))
      .where('user_id', '=', comparable(params.id as UserId))
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw noCredential(params.credential_id);
  });
  return { status: 204 };
}

function checkUnrestricted({ credential }: Session): void {
  if (credential?.unrestricted === false)
    throw forbidden(
      "Using method 'application_credential' is not allowed for managing additional application credentials.",
    );
}

/** @throws ApiError 400 for one that the token lacks. */
function rolesOf(
  session: Session,
  asked: readonly { readonly id?: string | undefined; readonly name?: string | undefined }[],
): readonly Named[] {
  if (asked.length === 0) return session.roles;
  const found = asked.map(({ id, name }) => {
    const role = session.roles.find((one) => one.id === id || one.name === name);
    if (role !== undefined) return role;
    throw badRequest(
      'Invalid application credential: Cannot create an application credential with unassigned role.',
    );
  });
  return [...new Set(found)];
}

async function checkRoom({ app }: RequestContext, user: string): Promise<void> {
  const { count } = await app.db
    .selectFrom('identity_application_credentials')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('user_id', '=', user as UserId)
    .executeTakeFirstOrThrow();
  if (count >= MOST_OF_A_USER)
    throw new ApiError(
      403,
      `Unable to create additional application credentials, maximum of ${MOST_OF_A_USER} already exceeded for user.`,
    );
}

/**
 * What is remembered of a token may be a second old. Whoever takes one of the user's roles locks this row, too, so none goes
 * between this look and the end of the transaction.
 * @throws ApiError 401
 */
async function sessionNow(trx: Transaction<Tables>, { user, claims }: Session): Promise<Session> {
  await lockUser(trx, user.id);
  const session = await loadSession(trx, claims);
  if (session === undefined) throw unauthorized();
  return session;
}

const noCredential = (id: string): ApiError => notFound('Application Credential', id);
