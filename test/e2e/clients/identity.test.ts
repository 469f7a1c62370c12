/** `openstack`: each of its identity commands that there is something for, against the built-in service. */
import assert from 'node:assert/strict';
import { ClientRig, type Walk } from './rig.ts';

const MADE = 'the catalog is made, not kept';
const NOT_HERE = 'is missing of Keystone: docs/security.md';

/** Commands that are not walked, by how they begin, and why. */
const NOT_WALKED: Readonly<Record<string, string>> = {
  'access rule': NOT_HERE,
  'access token': NOT_HERE,
  consumer: NOT_HERE,
  credential: NOT_HERE,
  'ec2 credentials': NOT_HERE,
  'endpoint add project': MADE,
  'endpoint create': MADE,
  'endpoint delete': MADE,
  'endpoint group': MADE,
  'endpoint remove project': MADE,
  'endpoint set': MADE,
  federation: NOT_HERE,
  'identity provider': NOT_HERE,
  limit: NOT_HERE,
  mapping: NOT_HERE,
  policy: NOT_HERE,
  'region create': MADE,
  'region delete': MADE,
  'region set': MADE,
  'registered limit': NOT_HERE,
  'request token': NOT_HERE,
  'service create': MADE,
  'service delete': MADE,
  'service provider': NOT_HERE,
  'service set': MADE,
  trust: NOT_HERE,
};

describe('openstack’s identity commands, all of them', function () {
  this.timeout(240_000);
  let rig: ClientRig;
  let os: Walk;
  let walked: ReadonlySet<string>;
  before(async () => {
    rig = await ClientRig.start();
    os = rig.walk('openstack');
  });
  after(() => rig[Symbol.asyncDispose]());

  const column = async (name: string, command: string, ...argv: string[]): Promise<string[]> =>
    (await os.json(command, ...argv)).map((row: Record<string, string>) => row[name]);

  it('domains, projects, users', async () => {
    await os.run('domain create', '--description', 'd', 'far');
    await os.run('domain set', '--disable', '--name', 'farther', 'far');
    assert.equal((await os.json('domain show', 'farther')).enabled, false);
    await os.run('domain delete', 'farther');
    assert.deepEqual(await column('Name', 'domain list'), ['Default']);

    const { id } = await os.json('project create', '--tag', 't', '--property', 'a=b', 'work');
    await os.run('project set', '--name', 'play', '--tag', 'u', 'work');
    await os.run('project set', '--remove-tag', 't', 'play');
    const project = await os.json('project show', '--children', 'play');
    assert.deepEqual([project.id, project.tags, project.a], [id, ['u'], 'b']);
    assert.ok((await column('Name', 'project list', '--tags', 'u')).includes('play'));

    await os.run('user create', '--project', 'play', '--password', 'first password', 'una');
    await os.run('user set', '--email', 'una@example.org', '--disable', 'una');
    const user = await os.json('user show', 'una');
    assert.deepEqual([user.email, user.enabled, user.default_project_id], ['una@example.org', false, id]);
    await os.run('user set', '--enable', 'una');
  });

  it('roles, groups, and what they come to', async () => {
    await os.run('role create', 'dancer');
    await os.run('role set', '--name', 'singer', 'dancer');
    assert.equal((await os.json('role show', 'singer')).name, 'singer');
    await os.run('implied role create', 'singer', '--implied-role', 'reader');
    assert.ok((await column('Prior Role Name', 'implied role list')).includes('singer'));

    await os.run('group create', 'choir');
    await os.run('group set', '--description', 'd', 'choir');
    assert.equal((await os.json('group show', 'choir')).description, 'd');
    await os.run('group add user', 'choir', 'una');
    await os.run('group contains user', 'choir', 'una');
    assert.deepEqual(await column('Name', 'group list', '--user', 'una'), ['choir']);
    assert.deepEqual(await column('Name', 'user list', '--group', 'choir'), ['una']);

    await os.run('role add', '--project', 'play', '--user', 'una', 'member');
    await os.run('role add', '--project', 'play', '--group', 'choir', 'singer');
    const effective = await column('Role', 'role assignment list', '--user', 'una', '--effective', '--names');
    assert.deepEqual(effective.toSorted(), ['member', 'reader', 'reader', 'singer']);
    assert.deepEqual(await column('Name', 'project list', '--user', 'una'), ['play']);

    await os.run('group remove user', 'choir', 'una');
    await os.run('role remove', '--project', 'play', '--group', 'choir', 'singer');
    await os.run('group delete', 'choir');
    await os.run('implied role delete', 'singer', '--implied-role', 'reader');
    await os.run('role delete', 'singer');
    assert.deepEqual(await column('Name', 'role list'), ['admin', 'member', 'reader', 'service']);
  });

  it('the catalog', async () => {
    assert.ok((await column('Type', 'catalog list')).includes('block-storage'));
    assert.match(await os.run('catalog show', 'volumev3'), /\/v3\//);
    assert.ok((await column('Type', 'service list')).includes('volumev3'));
    assert.equal((await os.json('service show', 'volumev3')).type, 'volumev3');
    const [endpoint = ''] = await column(
      'ID',
      'endpoint list',
      '--service',
      'volumev3',
      '--interface',
      'public',
    );
    assert.match((await os.json('endpoint show', endpoint)).url, /project_id/);
    const [region = ''] = await column('Region', 'region list');
    assert.equal((await os.json('region show', region)).region, region);
  });

  it('application credentials, passwords, tokens', async () => {
    const made = await os.json('application credential create', 'robot', '--role', 'reader');
    assert.equal((await os.json('application credential show', 'robot')).id, made.id);
    assert.deepEqual(await column('Name', 'application credential list'), ['robot']);
    await os.run('application credential delete', 'robot');
    await os.run('user delete', 'una');
    await os.run('project delete', 'play');

    const { password } = rig.stack.admin;
    await os.run('user password set', '--original-password', password, '--password', 'another password');
    await os.refused(/requires authentication/, 'token issue');
    // A process logs in once for all its identity commands.
    const later = rig.walk('openstack', { OS_PASSWORD: 'another password' });
    const { id: token } = await later.json('token issue');
    await later.run('token revoke', token);
    const ended = ['--os-auth-type', 'token', '--os-token', token];
    assert.notEqual((await later.says('token issue', ...ended)).code, 0);
    walked = new Set([...os.walked, ...later.walked]);
  });

  it('leaves none of its commands out without a reason', async () => {
    const commands = await os.commands('identity');
    const begins = (command: string) =>
      Object.keys(NOT_WALKED).find((words) => `${command} `.startsWith(`${words} `));
    const missing = commands.filter((command) => !walked.has(command) && begins(command) === undefined);
    assert.deepEqual(missing, []);
    const there = new Set(commands.map(begins));
    const stale = Object.keys(NOT_WALKED).filter((words) => !there.has(words));
    assert.deepEqual([stale, [...walked].filter(begins)], [[], []]);
  });
});
