/** What somebody else takes while a request is under way: a transaction of the test's own holds a row until then. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { sql, type Transaction } from 'kysely';
import { lockUser } from '#api/identity/users/lock.ts';
import type { ProjectId, UserId } from '#schema/ids.ts';
import type { Tables } from '#schema/tables.ts';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { type Answered, IdentityApi } from '#test/api/support/identity.ts';

const LOOK_EVERY_MS = 20;
/** No statement of theirs takes so long unless it waits. */
const STANDS_MS = 150;
const ALICE = { name: 'alice', password: 'the first one' };

describe('identity, while something is taken', function () {
  this.timeout(30_000);
  let api: TestApi;
  let identity: IdentityApi;
  let admin: string;
  let project: string;
  let alice: UserId;
  let member: string;

  before(async () => {
    api = await startApi();
    const { projectId } = await IdentityApi.bootstrap(api);
    identity = await IdentityApi.start(api);
    admin = await identity.adminToken(projectId);
    project = await made('project', { name: 'p' });
    alice = (await made('user', ALICE)) as UserId;
    member = (await identity.identity('GET', '/roles?name=member', admin)).body.roles[0].id;
    await grant(member);
  });
  after(async () => {
    assert.deepEqual(identity.log, []);
    await identity[Symbol.asyncDispose]();
    await api[Symbol.asyncDispose]();
  });

  const made = (noun: string, fields: object): Promise<string> => identity.make(noun, fields, admin);
  const roleOfAlice = (method: string, role: string): Promise<Answered> =>
    identity.identity(method, `/projects/${project}/users/${alice}/roles/${role}`, admin);
  const grant = async (role: string): Promise<void> => {
    assert.equal((await roleOfAlice('PUT', role)).status, 204);
  };
  const token = (): Promise<string> => identity.token(ALICE, { project: { id: project } });
  const path = (): string => `/users/${alice}/application_credentials`;
  const ask = (by: string, fields: object, where = identity): Promise<Answered> =>
    where.identity('POST', path(), by, { application_credential: fields });
  const names = async (): Promise<string[]> =>
    (await identity.identity('GET', path(), admin)).body.application_credentials.map(
      ({ name }: { name: string }) => name,
    );
  /** Requests that stand before a row which somebody holds. */
  const waiting = async (): Promise<number> => {
    const { rows } = await sql<{ n: number }>`SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST
      WHERE COMMAND = 'Query' AND ID <> CONNECTION_ID() AND TIME_MS > ${STANDS_MS}`.execute(api.db);
    return Number(rows[0]?.n);
  };
  /** @returns the answer to a request that begins when `hold` has what it locks, before `take`. */
  const between = async (
    hold: (trx: Transaction<Tables>) => Promise<unknown>,
    request: () => Promise<Answered>,
    take: (trx: Transaction<Tables>) => Promise<unknown>,
  ): Promise<Answered> => {
    const { answer } = await api.db.transaction().execute(async (trx) => {
      await hold(trx);
      // Not awaited here: it waits for this transaction.
      const begun = { answer: request() };
      while ((await waiting()) === 0) await sleep(LOOK_EVERY_MS);
      await take(trx);
      return begun;
    });
    return answer;
  };
  const lockAlice = (trx: Transaction<Tables>) => lockUser(trx, alice);
  const raiseEpoch = (trx: Transaction<Tables>) =>
    trx
      .updateTable('identity_users')
      .set((eb) => ({ epoch: eb('epoch', '+', 1) }))
      .where('id', '=', alice)
      .execute();

  it('a password that was not changed is not said to be', async () => {
    const own = await token();
    const user = { password: 'the second one', original_password: ALICE.password };
    const change = () => identity.identity('POST', `/users/${alice}/password`, own, { user });
    assert.equal((await between(lockAlice, change, raiseEpoch)).status, 401);
    assert.equal((await identity.logIn(ALICE, 'unscoped')).status, 201);
  });

  it('no credential is made with a role that has just gone', async () => {
    const dancer = await made('role', { name: 'dancer' });
    await grant(dancer);
    const own = await token();
    const takeFrom = (role: string) => (trx: Transaction<Tables>) =>
      trx
        .deleteFrom('identity_assignments')
        .where('user_id', '=', alice)
        .where('role_id', '=', role)
        .execute();
    const dances = () => ask(own, { name: 'dances', roles: [{ id: dancer }] });
    const { status, body } = await between(lockAlice, dances, takeFrom(dancer));
    assert.equal(status, 400);
    assert.match(body.error.message, /unassigned role/);
    const last = await between(lockAlice, () => ask(own, { name: 'all' }), takeFrom(member));
    assert.equal(last.status, 401);
    assert.deepEqual(await names(), []);
    await grant(member);
  });

  it('a role that is deleted this moment is no error of ours', async () => {
    const singer = await made('role', { name: 'singer' });
    await grant(singer);
    const own = await token();
    const { status } = await between(
      (trx) => trx.selectFrom('identity_roles').select('id').where('id', '=', singer).forUpdate().execute(),
      () => ask(own, { name: 'sings', roles: [{ id: singer }] }),
      (trx) => trx.deleteFrom('identity_roles').where('id', '=', singer).execute(),
    );
    assert.equal(status, 401);
    assert.deepEqual(await names(), []);
  });

  it('a credential that is being made goes with the role that is taken', async () => {
    const values = {
      id: 'late',
      user_id: alice,
      project_id: project as ProjectId,
      name: 'late',
      description: null,
      secret: '',
      unrestricted: 0,
      expires_at: null,
      locked_until: null,
    } as const;
    const { status } = await between(
      lockAlice,
      () => roleOfAlice('DELETE', member),
      (trx) => trx.insertInto('identity_application_credentials').values(values).execute(),
    );
    assert.equal(status, 204);
    assert.deepEqual(await names(), []);
    await grant(member);
  });

  it('a domain that is enabled this moment is not deleted, nor what was given in it', async () => {
    const domain = await made('domain', { name: 'd', enabled: false });
    const given = `/domains/${domain}/users/${alice}/roles/${member}`;
    assert.equal((await identity.identity('PUT', given, admin)).status, 204);
    const row = (trx: Transaction<Tables>) =>
      trx.selectFrom('identity_domains').select('id').where('id', '=', domain).forUpdate().execute();
    const { status } = await between(
      row,
      () => identity.identity('DELETE', `/domains/${domain}`, admin),
      (trx) => trx.updateTable('identity_domains').set({ enabled: 1 }).where('id', '=', domain).execute(),
    );
    assert.equal(status, 403);
    assert.equal((await identity.identity('GET', given, admin)).status, 204);
  });

  it('a restricted credential deletes none while its token ends', async () => {
    const { body } = await ask(await token(), { name: 'robot', roles: [{ id: member }] });
    const { id, secret } = body.application_credential;
    const auth = {
      identity: { methods: ['application_credential'], application_credential: { id, secret } },
    };
    const answer = await identity.identity('POST', '/auth/tokens', undefined, { auth });
    const restricted = answer.headers.get('x-subject-token') ?? '';
    // The token runs out between any two looks at the clock.
    let looks = 0;
    const now = () => Date.now() + (looks-- > 0 ? 0 : 86_400_000);
    await using brief = await IdentityApi.start(api, { clock: { now } });
    const statuses = new Set<number>();
    for (let k = 0; k < 12; k++) {
      looks = k;
      statuses.add((await brief.identity('DELETE', `${path()}/${id}`, restricted)).status);
    }
    assert.deepEqual(statuses, new Set([401, 403]));
    assert.deepEqual(await names(), ['robot']);
  });
});
