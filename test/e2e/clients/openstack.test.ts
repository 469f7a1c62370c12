/** `openstack`: each of its block storage commands, with an effect that is looked at. */
import assert from 'node:assert/strict';
import { ClientRig, type Walk } from './rig.ts';

/** Commands that are not walked, and why. */
const NOT_WALKED: Readonly<Record<string, string>> = {
  'volume group type show': 'client 6.0 breaks at its own arguments before it asks',
  'configuration show': 'asks no server',
  'extension show': 'asks for networks’ extensions only',
  'project cleanup': 'removes all that a project has: what it asks for is walked one by one',
  'project purge': 'the same, by an older name',
};

describe('openstack’s block storage commands', () => {
  let rig: ClientRig;
  let os: Walk;
  before(async function () {
    this.timeout(240_000);
    rig = await ClientRig.start();
    os = rig.walk('openstack');
    await os.run('volume type create', 'one', '--property', 'volume_backend_name=lvm');
  });
  after(async function () {
    this.timeout(60_000);
    await rig[Symbol.asyncDispose]();
  });

  const statusIs = (kind: string, name: string, status: string) =>
    os.until(
      () => os.json(`${kind} show`, name),
      (shown) => shown.status === status,
    );
  const gone = (kind: string, name: string) =>
    os.until(
      () => os.says(`${kind} show`, name),
      (said) => said.code !== 0,
    );
  async function volume(name: string, ...argv: string[]): Promise<string> {
    const { id } = await os.json('volume create', '--size', '1', '--type', 'one', ...argv, name);
    await statusIs('volume', name, 'available');
    return id;
  }
  async function remove(...names: string[]): Promise<void> {
    await os.run('volume delete', ...names);
    for (const name of names) await gone('volume', name);
  }
  const namesIn = async (command: string, ...argv: string[]): Promise<string[]> =>
    (await os.json(command, ...argv)).map((row: Record<string, string>) => row['Name'] ?? row['ID']);

  it('volumes', async function () {
    this.timeout(240_000);
    await volume('data', '--property', 'tier=gold', '--description', 'd');
    assert.deepEqual(await namesIn('volume list', '--name', 'data', '--status', 'available'), ['data']);
    await os.run('volume set', 'data', '--name', 'renamed', '--size', '2', '--property', 'a=b', '--bootable');
    await statusIs('volume', 'renamed', 'available');
    await os.run('volume set', 'renamed', '--image-property', 'os_type=linux', '--read-only');
    const shown = await os.json('volume show', 'renamed');
    assert.deepEqual([shown.size, shown.bootable, shown.description, shown.type], [2, 'true', 'd', 'one']);
    assert.equal(shown.properties.tier, 'gold');
    assert.equal(shown.volume_image_metadata.os_type, 'linux');
    await os.run('volume unset', 'renamed', '--property', 'tier', '--image-property', 'os_type');
    const unset = await os.json('volume show', 'renamed');
    assert.deepEqual([unset.properties.tier, unset.properties.a], [undefined, 'b']);
    await volume('copy', '--source', 'renamed', '--size', '2');
    await remove('copy');
    await os.run('volume set', 'renamed', '--state', 'error');
    assert.equal((await os.json('volume show', 'renamed')).status, 'error');
    await os.run('volume set', 'renamed', '--state', 'available', '--read-write');
    await remove('renamed');
  });

  it('moving volumes', async function () {
    this.timeout(240_000);
    await os.run('volume type create', 'any');
    await volume('mover', '--type', 'any');
    const before = await os.json('volume show', 'mover');
    const from: string = before['os-vol-host-attr:host'];
    const other = from.endsWith('#lvm') ? 'lvm2' : 'lvm';
    const to = from.replace(/@.*/, `@${other}#${other}`);
    await os.run('volume migrate', 'mover', '--host', to);
    await os.until(
      () => os.json('volume show', 'mover'),
      (shown) => shown['os-vol-host-attr:host'] === to && shown.status === 'available',
    );
    await remove('mover');
    await os.run('volume type delete', 'any');
  });

  it('snapshots', async function () {
    this.timeout(240_000);
    await volume('origin');
    // Without it, from 3.66 on, this client sends a false `force` and then refuses that itself.
    await os.run('volume snapshot create', '--volume', 'origin', '--force', '--property', 'k=v', 'snap');
    await statusIs('volume snapshot', 'snap', 'available');
    assert.deepEqual(await namesIn('volume snapshot list', '--volume', 'origin'), ['snap']);
    await os.run('volume snapshot set', 'snap', '--name', 'shot', '--property', 'x=y', '--description', 'd');
    await os.run('volume snapshot unset', 'shot', '--property', 'k');
    const shown = await os.json('volume snapshot show', 'shot');
    assert.deepEqual([shown.properties, shown.description, shown.size], [{ x: 'y' }, 'd', 1]);
    await volume('restored', '--snapshot', 'shot');
    await remove('restored');
    await os.run('volume snapshot delete', 'shot');
    await gone('volume snapshot', 'shot');
    await remove('origin');
  });

  it('types', async function () {
    this.timeout(240_000);
    await os.run('volume type create', 'two', '--private', '--property', 'a=b');
    assert.ok((await namesIn('volume type list')).includes('two'));
    await os.run(
      'volume type set',
      'two',
      '--description',
      'd',
      '--property',
      'c=d',
      '--project',
      rig.stack.project,
    );
    const shown = await os.json('volume type show', 'two');
    assert.deepEqual([shown.description, shown.properties], ['d', { a: 'b', c: 'd' }]);
    assert.deepEqual(shown.access_project_ids, [rig.stack.project]);
    await os.run('volume type unset', 'two', '--property', 'a', '--project', rig.stack.project);
    const unset = await os.json('volume type show', 'two');
    assert.deepEqual([unset.properties, unset.access_project_ids], [{ c: 'd' }, []]);
    await os.run('volume type delete', 'two');
    assert.ok(!(await namesIn('volume type list')).includes('two'));
  });

  it('qos-specs', async function () {
    this.timeout(240_000);
    await os.run('volume type create', 'limited');
    await os.run('volume qos create', 'slow', '--consumer', 'front-end', '--property', 'total_iops_sec=100');
    await os.run('volume qos set', 'slow', '--property', 'read_iops_sec=0');
    await os.run('volume qos unset', 'slow', '--property', 'read_iops_sec');
    await os.run('volume qos associate', 'slow', 'limited');
    const shown = await os.json('volume qos show', 'slow');
    assert.deepEqual(
      [shown.consumer, shown.properties, shown.associations],
      ['front-end', { total_iops_sec: '100' }, ['limited']],
    );
    assert.deepEqual(await namesIn('volume qos list'), ['slow']);
    await os.run('volume qos disassociate', 'slow', '--all');
    await os.run('volume qos delete', 'slow');
    assert.deepEqual(await namesIn('volume qos list'), []);
    await os.run('volume type delete', 'limited');
  });

  it('attachments', async function () {
    this.timeout(240_000);
    const [server] = await os.json('server list');
    await volume('plug');
    const made = await os.json('volume attachment create', 'plug', server.ID);
    const id: string = made['ID'];
    await os.run(
      'volume attachment set',
      id,
      '--initiator',
      'iqn.2026-01.org.example:host',
      '--host',
      'h',
      '--ip',
      '127.0.0.1',
    );
    await os.until(
      () => os.json('volume attachment show', id),
      (shown) => shown.Properties.driver_volume_type === 'iscsi',
    );
    await os.run('volume attachment complete', id);
    assert.equal((await os.json('volume show', 'plug')).status, 'in-use');
    assert.deepEqual(
      (await os.json('volume attachment list')).map((row: { ID: string }) => row.ID),
      [id],
    );
    await os.run('volume attachment delete', id);
    await statusIs('volume', 'plug', 'available');
    await remove('plug');
  });

  it('backups', async function () {
    this.timeout(240_000);
    await volume('kept');
    await os.run('volume backup create', 'kept', '--name', 'full');
    await statusIs('volume backup', 'full', 'available');
    await os.run('volume backup create', 'kept', '--name', 'more', '--incremental');
    await statusIs('volume backup', 'more', 'available');
    assert.equal((await os.json('volume backup show', 'more')).is_incremental, true);
    assert.deepEqual((await namesIn('volume backup list', '--volume', 'kept')).toSorted(), ['full', 'more']);
    await os.run('volume backup set', 'more', '--name', 'again', '--property', 'a=b');
    await os.run('volume backup unset', 'again', '--property', 'a');
    await os.breaks(/cannot unpack/, 'volume backup restore', '--force', 'again', 'kept');
    await statusIs('volume', 'kept', 'available');
    await statusIs('volume backup', 'again', 'available');
    await os.run('volume backup delete', 'again');
    await gone('volume backup', 'again');
    const record = await os.json('volume backup record export', 'full');
    await os.run('volume backup delete', 'full', '--force');
    await gone('volume backup', 'full');
    await os.run(
      'volume backup record import',
      record.backup_service ?? record['Backup Service'],
      record.backup_url ?? record['Metadata'],
    );
    await remove('kept');
  });

  it('transfers', async function () {
    this.timeout(240_000);
    const id = await volume('gift');
    const made = await os.json('volume transfer request create', 'gift', '--name', 'for-you');
    assert.equal((await os.json('volume show', 'gift')).status, 'awaiting-transfer');
    assert.deepEqual(await namesIn('volume transfer request list'), ['for-you']);
    assert.equal((await os.json('volume transfer request show', 'for-you')).volume_id, id);
    await os.run('volume transfer request delete', 'for-you');
    await statusIs('volume', 'gift', 'available');
    const again = await os.json('volume transfer request create', 'gift');
    assert.notEqual(again.auth_key, made.auth_key);
    await os.run('volume transfer request accept', again.id, '--auth-key', again.auth_key);
    await statusIs('volume', 'gift', 'available');
    await remove('gift');
  });

  /** Groups are what consistency groups have become; only a new one, which would promise more, is refused. */
  async function olderWords(): Promise<void> {
    await os.refused(/no back end/, 'consistency group create', '--volume-type', 'one', 'none');
    assert.deepEqual(await namesIn('consistency group list'), ['all']);
    await os.run('consistency group set', 'all', '--description', 'older');
    await statusIs('consistency group', 'all', 'available');
    assert.equal((await os.json('consistency group show', 'all')).description, 'older');
    await volume('joins');
    await os.run('consistency group add volume', 'all', 'joins');
    await statusIs('consistency group', 'all', 'available');
    await os.run('consistency group remove volume', 'all', 'joins');
    await statusIs('consistency group', 'all', 'available');
    await remove('joins');
    await os.run('consistency group snapshot create', '--consistency-group', 'all', 'instant');
    await statusIs('consistency group snapshot', 'instant', 'available');
    assert.deepEqual((await namesIn('consistency group snapshot list')).toSorted(), ['instant', 'moment']);
    await os.breaks(
      /no attribute '_info'/,
      'consistency group create',
      '--consistency-group-snapshot',
      'instant',
      'again',
    );
    await statusIs('consistency group', 'again', 'available');
    await os.run('consistency group delete', '--force', 'again');
    await gone('consistency group', 'again');
    await os.run('consistency group snapshot delete', 'instant');
    await gone('consistency group snapshot', 'instant');
  }

  it('groups', async function () {
    this.timeout(240_000);
    await os.run('volume group type create', 'kind');
    await os.run(
      'volume group type set',
      'kind',
      '--description',
      'd',
      '--property',
      'consistent_group_snapshot_enabled=<is> False',
    );
    assert.ok((await namesIn('volume group type list')).includes('kind'));
    const { ID: id } = await os.json('volume group create', 'kind', 'one', '--name', 'both');
    const grouped = (status: string | undefined) =>
      os.until(
        async () => (await os.json('volume group list'))[0]?.['Status'] as string | undefined,
        (now) => now === status,
      );
    await grouped('available');
    await os.breaks(/no attribute 'show'/, 'volume group show', id);
    await os.run('volume group set', id, '--name', 'all', '--description', 'd');
    assert.deepEqual(await namesIn('volume group list'), ['all']);
    // This client has no word for it, and an empty group has no snapshot.
    const cinder = rig.walk('cinder');
    await cinder.run('group-update', id, '--add-volumes', await volume('member'));
    await grouped('available');
    const snapshot = await os.json('volume group snapshot create', id, '--name', 'moment');
    const snapped = (status: string | undefined) =>
      os.until(
        async () => (await os.json('volume group snapshot list'))[0]?.['Status'] as string | undefined,
        (now) => now === status,
      );
    await snapped('available');
    await os.breaks(/no attribute 'show'/, 'volume group snapshot show', snapshot['ID']);
    assert.deepEqual(await namesIn('volume group snapshot list'), ['moment']);
    await os.refused(/replicat/, 'volume group failover', id);
    await olderWords();
    await os.run('volume group snapshot delete', snapshot['ID']);
    await snapped(undefined);
    await os.run('volume group delete', '--force', id);
    await grouped(undefined);
    await os.run('volume group type delete', 'kind');
  });

  it('services, hosts and clusters', async function () {
    this.timeout(240_000);
    const services = await os.json('volume service list', '--service', 'cinder-volume');
    const host: string = services.find((row: { Host: string }) => row.Host.endsWith('@lvm2')).Host;
    await os.run('volume service set', '--disable', '--disable-reason', 'why', host, 'cinder-volume');
    const status = async (): Promise<string[]> =>
      (await os.json('volume service list', '--long', '--host', host)).map(
        (row: Record<string, string>) => row['Status'],
      );
    assert.deepEqual(await status(), ['disabled']);
    await os.run('volume service set', '--enable', host, 'cinder-volume');
    await os.run('volume host set', '--disable', host);
    await os.run('volume host set', '--enable', host);
    assert.deepEqual(await status(), ['enabled']);
    assert.ok(Array.isArray(await os.json('block storage cluster list')));
    await os.refused(/could not be found/, 'block storage cluster show', 'none');
    await os.refused(/could not be found/, 'block storage cluster set', '--disable', 'none');
  });

  it('what it asks of every service', async function () {
    this.timeout(240_000);
    const { project } = rig.stack;
    await os.run('quota set', '--volumes', '99', project);
    assert.deepEqual(
      (await os.json('quota list', '--volume')).map((row: Record<string, number>) => row['Volumes']),
      [99],
    );
    const { volumes, instances } = await os.json('quota show', project);
    assert.deepEqual([volumes, instances], [99, -1]);
    assert.deepEqual(
      (await os.json('quota list', '--compute', '--detail', '--project', project)).find(
        (row: Record<string, string>) => row['Resource'] === 'cores',
      ),
      { Resource: 'cores', 'In Use': 0, Reserved: 0, Limit: -1 },
    );
    const limits: { Name: string; Value: number }[] = await os.json('limits show', '--absolute');
    const limit = (wanted: string) => limits.find(({ Name }) => Name === wanted)?.Value;
    assert.deepEqual([limit('maxTotalVolumes'), limit('totalInstancesUsed')], [99, 0]);
    assert.deepEqual(await os.json('availability zone list', '--volume'), [
      { 'Zone Name': 'nova', 'Zone Status': 'available' },
    ]);
    const extensions = await os.json('extension list', '--volume');
    assert.ok(extensions.some((row: { Alias: string }) => row.Alias === 'backups'));
    assert.match(await os.run('versions show', '--service', 'block-storage'), /3\.71/);
  });

  it('messages and resource filters', async function () {
    this.timeout(240_000);
    await os.run('volume create', '--size', '1000000', '--type', 'one', 'huge');
    await statusIs('volume', 'huge', 'error');
    const { id } = await os.json('volume show', 'huge');
    const messages = async (): Promise<string[]> =>
      (await os.json('volume message list'))
        .filter((row: Record<string, string>) => row['Resource UUID'] === id)
        .map((row: Record<string, string>) => row['ID']);
    const [message = ''] = await messages();
    assert.match((await os.json('volume message show', message)).user_message, /\w/);
    await os.run('volume message delete', message);
    assert.deepEqual(await messages(), []);
    await remove('huge');
    assert.ok((await os.json('block storage resource filter list')).length > 3);
    await os.breaks(/not an iterator/, 'block storage resource filter show', 'volume');
  });

  it('leaves none of its commands out without a reason', async () => {
    const commands = await os.commands();
    const missing = commands.filter((command) => !os.walked.has(command) && !(command in NOT_WALKED));
    assert.deepEqual(missing, []);
    const stale = Object.keys(NOT_WALKED).filter((each) => os.walked.has(each) || !commands.includes(each));
    assert.deepEqual(stale, []);
  });
});
