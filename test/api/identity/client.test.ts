/** The stock command line: what it takes to let programs and groups in. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startApi, type TestApi } from '#test/api/support/api.ts';
import { ADMIN, IdentityApi } from '#test/api/support/identity.ts';
import { blockyard } from '#test/bin/blockyard.ts';

const execute = promisify(execFile);
const PATH = '/usr/bin:/bin';

describe('openstack’s identity commands', function () {
  this.timeout(300_000);
  let api: TestApi;
  let identity: IdentityApi;
  let dir: string;
  before(async function () {
    const installed = await execute('openstack', ['--version'], { env: { PATH } }).catch(() => undefined);
    if (installed === undefined) {
      console.log('      skipped: no openstack command here (Debian: python3-openstackclient)');
      this.skip();
    }
    api = await startApi();
    await IdentityApi.bootstrap(api);
    identity = await IdentityApi.start(api);
    dir = await mkdtemp(join(tmpdir(), 'blockyard-client-'));
  });
  after(async () => {
    await identity?.[Symbol.asyncDispose]();
    await api?.[Symbol.asyncDispose]();
    if (dir !== undefined) await rm(dir, { recursive: true });
  });

  /** In a folder of its own, so that no clouds.yaml but ours is found. */
  const openstack = async (env: Record<string, string>, ...words: string[]): Promise<string> => {
    const { stdout } = await execute('openstack', words, {
      env: { PATH, HOME: dir, LC_ALL: 'C.UTF-8', ...env },
      cwd: dir,
      timeout: 60_000,
    });
    return stdout;
  };
  const asPassword = (): Record<string, string> => ({
    OS_AUTH_TYPE: 'password',
    OS_AUTH_URL: `${identity.url}/identity/v3`,
    OS_USERNAME: ADMIN.user,
    OS_PASSWORD: ADMIN.password,
    OS_PROJECT_NAME: ADMIN.project,
    OS_USER_DOMAIN_NAME: 'Default',
    OS_PROJECT_DOMAIN_NAME: 'Default',
  });
  const asAdmin = (...words: string[]): Promise<string> => openstack(asPassword(), ...words);
  const json = async (...words: string[]) => JSON.parse(await asAdmin(...words, '-f', 'json'));

  it('let a program in by the clouds.yaml that we print, until it is deleted', async () => {
    const options = ['--role', 'reader', '--description', 'nightly', '--expiration', '2999-12-31T23:59:59'];
    const made = await json('application', 'credential', 'create', ...options, 'robot');
    assert.deepEqual([made.roles, made.unrestricted, made.description], ['reader', false, 'nightly']);
    const listed = await json('application', 'credential', 'list');
    assert.deepEqual(
      listed.map((row: Record<string, string>) => [row['ID'], row['Name']]),
      [[made.id, 'robot']],
    );
    const shown = await json('application', 'credential', 'show', 'robot');
    assert.deepEqual([shown.id, shown.secret], [made.id, undefined]);

    const { stdout } = await blockyard(
      ['clouds', '--application-credential', made.id, '--url', identity.url],
      {
        BLOCKYARD_AUTH: 'builtin',
      },
    );
    await writeFile(join(dir, 'clouds.yaml'), stdout);
    const secret = { application_credential_secret: made.secret };
    await writeFile(join(dir, 'secure.yaml'), JSON.stringify({ clouds: { blockyard: { auth: secret } } }));
    const robot = (...words: string[]) => openstack({ OS_CLOUD: 'blockyard' }, ...words);
    assert.equal(JSON.parse(await robot('token', 'issue', '-f', 'json')).project_id, made.project_id);
    assert.deepEqual(JSON.parse(await robot('volume', 'list', '-f', 'json')), []);
    await assert.rejects(robot('volume', 'create', '--size', '1', 'x'), /Policy|403/);
    await assert.rejects(robot('application', 'credential', 'create', 'more'), /not authorized|403/);

    await asAdmin('application', 'credential', 'delete', 'robot');
    await assert.rejects(robot('token', 'issue'), /requires authentication|401/);
    assert.deepEqual(await json('application', 'credential', 'list'), []);
  });

  it('give a group a role', async () => {
    await asAdmin('user', 'create', '--password', 'her password', 'carol');
    const made = await json('group', 'create', '--description', 'who build', 'builders');
    assert.deepEqual([made.name, made.description, made.domain_id], ['builders', 'who build', 'default']);
    await asAdmin('group', 'add', 'user', 'builders', 'carol');
    assert.match(await asAdmin('group', 'contains', 'user', 'builders', 'carol'), /in group/);
    await asAdmin('role', 'add', '--project', ADMIN.project, '--group', 'builders', 'member');
    const given = await json('role', 'assignment', 'list', '--group', 'builders', '--names');
    assert.deepEqual(
      given.map(({ Role, Group, User }: Record<string, string>) => [Role, Group, User]),
      [['member', 'builders@Default', '']],
    );
    const carol = { ...asPassword(), OS_USERNAME: 'carol', OS_PASSWORD: 'her password' };
    assert.deepEqual(JSON.parse(await openstack(carol, 'volume', 'list', '-f', 'json')), []);
    await asAdmin('role', 'remove', '--project', ADMIN.project, '--group', 'builders', 'member');
    await asAdmin('group', 'set', '--name', 'idlers', 'builders');
    await asAdmin('group', 'remove', 'user', 'idlers', 'carol');
    const listed = await json('group', 'list');
    assert.deepEqual(
      listed.map(({ Name }: Record<string, string>) => Name),
      ['idlers'],
    );
    await asAdmin('group', 'delete', 'idlers');
  });
});
