/** `cinder`: each of its commands, with an effect that is looked at. */
import assert from 'node:assert/strict';
import { ClientRig, type Walk } from './rig.ts';

const OF_THE_CLIENT = 'asks no server';

/** Commands that are not walked, and why. */
const NOT_WALKED: Readonly<Record<string, string>> = {
  'bash-completion': OF_THE_CLIENT,
  bash_completion: OF_THE_CLIENT,
  help: OF_THE_CLIENT,
};

describe('cinder’s commands', () => {
  let rig: ClientRig;
  let cinder: Walk;
  let project: string;
  before(async function () {
    this.timeout(240_000);
    rig = await ClientRig.start();
    ({ project } = rig.stack);
    cinder = rig.walk('cinder');
    await cinder.run('type-create', 'one');
    await cinder.run('type-key', 'one', 'set', 'volume_backend_name=lvm');
  });
  after(async function () {
    this.timeout(60_000);
    await rig[Symbol.asyncDispose]();
  });

  const becomes = (show: string, name: string, status: string) =>
    cinder.until(
      () => cinder.properties(show, name),
      (shown) => shown['status'] === status,
    );
  const gone = (show: string, name: string) =>
    cinder.until(
      () => cinder.says(show, name),
      (said) => said.code !== 0,
    );
  async function volume(name: string, ...argv: string[]): Promise<Record<string, string>> {
    await cinder.run('create', '1', '--name', name, '--volume-type', 'one', ...argv);
    return becomes('show', name, 'available');
  }
  async function remove(name: string, command = 'delete'): Promise<void> {
    await cinder.run(command, name);
    await gone('show', name);
  }
  const column = async (name: string, command: string, ...argv: string[]): Promise<string[]> =>
    (await cinder.rows(command, ...argv)).map((row) => row[name] ?? '');

  it('volumes', async function () {
    this.timeout(240_000);
    const made = await volume('data');
    assert.deepEqual(await column('Name', 'list', '--name', 'data'), ['data']);
    await cinder.run('rename', 'data', 'renamed', '--description', 'd');
    await cinder.run('extend', 'renamed', '2');
    await becomes('show', 'renamed', 'available');
    await cinder.run('set-bootable', 'renamed', 'true');
    await cinder.run('readonly-mode-update', 'renamed', 'true');
    const shown = await cinder.properties('show', 'renamed');
    assert.deepEqual(
      [shown['id'], shown['size'], shown['bootable'], shown['readonly'], shown['description']],
      [made['id'], '2', 'true', 'True', 'd'],
    );
    await cinder.run('readonly-mode-update', 'renamed', 'false');
    await cinder.run('reset-state', 'renamed', '--state', 'error');
    assert.equal((await cinder.properties('show', 'renamed'))['status'], 'error');
    assert.match(await cinder.run('summary'), /\b2\b/);
    await remove('renamed', 'force-delete');
  });

  it('metadata', async function () {
    this.timeout(240_000);
    await volume('meta');
    await cinder.run('metadata', 'meta', 'set', 'a=b', 'c=d');
    await cinder.run('metadata', 'meta', 'unset', 'a');
    assert.deepEqual(await cinder.properties('metadata-show', 'meta'), { c: 'd' });
    await cinder.run('metadata-update-all', 'meta', 'x=y');
    assert.deepEqual(await cinder.properties('metadata-show', 'meta'), { x: 'y' });
    await cinder.run('image-metadata', 'meta', 'set', 'os_type=linux');
    assert.deepEqual(await cinder.properties('image-metadata-show', 'meta'), { os_type: 'linux' });
    await remove('meta');
  });

  it('snapshots', async function () {
    this.timeout(240_000);
    await volume('origin');
    await cinder.run('snapshot-create', 'origin', '--name', 'snap');
    await becomes('snapshot-show', 'snap', 'available');
    await cinder.run('snapshot-rename', 'snap', 'shot');
    await cinder.run('snapshot-metadata', 'shot', 'set', 'a=b');
    assert.deepEqual(await cinder.properties('snapshot-metadata-show', 'shot'), { a: 'b' });
    await cinder.run('snapshot-metadata-update-all', 'shot', 'c=d');
    assert.deepEqual(await cinder.properties('snapshot-metadata-show', 'shot'), { c: 'd' });
    await cinder.run('snapshot-reset-state', 'shot', '--state', 'error');
    assert.equal((await cinder.properties('snapshot-show', 'shot'))['status'], 'error');
    await cinder.run('snapshot-reset-state', 'shot', '--state', 'available');
    assert.deepEqual(await column('Name', 'snapshot-list'), ['shot']);
    await cinder.run('revert-to-snapshot', 'shot');
    await becomes('show', 'origin', 'available');
    await becomes('snapshot-show', 'shot', 'available');
    await cinder.run('snapshot-delete', 'shot');
    await gone('snapshot-show', 'shot');
    await remove('origin');
  });

  it('moving volumes', async function () {
    this.timeout(240_000);
    await cinder.run('type-create', 'two');
    await cinder.run('type-key', 'two', 'set', 'volume_backend_name=lvm2');
    const isAt = (name: string, host: RegExp) =>
      cinder.until(
        () => cinder.properties('show', name),
        (shown) => shown['status'] === 'available' && host.test(shown['os-vol-host-attr:host'] ?? ''),
      );
    await volume('mover');
    await cinder.run('retype', 'mover', 'two', '--migration-policy', 'on-demand');
    await isAt('mover', /@lvm2#/);
    await remove('mover');
    await cinder.run('type-delete', 'two');

    await cinder.run('type-create', 'any');
    const from = (await volume('nomad', '--volume-type', 'any'))['os-vol-host-attr:host'] ?? '';
    const other = from.endsWith('#lvm') ? 'lvm2' : 'lvm';
    await cinder.run('migrate', 'nomad', from.replace(/@.*/, `@${other}#${other}`));
    await isAt('nomad', new RegExp(`@${other}#`));
    await remove('nomad');
    await cinder.run('type-delete', 'any');
  });

  it('images', async function () {
    this.timeout(240_000);
    await volume('disk');
    await cinder.run('upload-to-image', 'disk', 'picture', '--disk-format', 'qcow2');
    await becomes('show', 'disk', 'available');
    const images = await fetch(`${rig.stack.apiUrl}/image/v2/images`, {
      headers: { 'X-Auth-Token': rig.stack.adminToken },
    });
    const { id } = ((await images.json()) as { images: { id: string }[] }).images[0]!;
    await cinder.run('reimage', 'disk', id);
    await becomes('show', 'disk', 'available');
    await remove('disk');
  });

  it('what was there before', async function () {
    this.timeout(240_000);
    const made = await volume('ours');
    const host = made['os-vol-host-attr:host'] ?? '';
    await cinder.run('snapshot-create', 'ours', '--name', 'part');
    const part = await becomes('snapshot-show', 'part', 'available');
    await cinder.run('snapshot-unmanage', 'part');
    await gone('snapshot-show', 'part');
    assert.ok((await cinder.rows('snapshot-manageable-list', host)).length > 0);
    await cinder.run('snapshot-manage', 'ours', `_snapshot-${part['id']}`, '--name', 'again');
    await becomes('snapshot-show', 'again', 'available');
    await cinder.run('snapshot-delete', 'again');
    await gone('snapshot-show', 'again');
    await cinder.run('unmanage', 'ours');
    await gone('show', 'ours');
    assert.ok((await cinder.rows('manageable-list', host)).length > 0);
    await cinder.run('manage', host, `volume-${made['id']}`, '--name', 'back', '--volume-type', 'one');
    await becomes('show', 'back', 'available');
    await remove('back');
  });

  it('types', async function () {
    this.timeout(240_000);
    await cinder.run('type-create', 'hidden', '--is-public', 'False');
    const { id = '' } = await cinder.properties('type-show', 'hidden');
    await cinder.run('type-update', id, '--description', 'd');
    await cinder.run('type-access-add', '--volume-type', 'hidden', '--project-id', project);
    assert.deepEqual(await column('Project_ID', 'type-access-list', '--volume-type', 'hidden'), [project]);
    await cinder.run('type-access-remove', '--volume-type', 'hidden', '--project-id', project);
    assert.ok((await column('Name', 'type-list')).includes('one'));
    assert.match(await cinder.run('extra-specs-list'), /volume_backend_name/);
    await cinder.run('default-type-set', 'one', project);
    assert.match(await cinder.run('default-type-list'), new RegExp(project));
    assert.match(await cinder.run('type-default'), /one/);
    await cinder.run('default-type-unset', project);
    await cinder.run('encryption-type-create', 'hidden', 'luks', '--control-location', 'front-end');
    await cinder.run('encryption-type-update', 'hidden', '--cipher', 'aes-xts-plain64', '--key-size', '256');
    assert.match(await cinder.run('encryption-type-show', 'hidden'), /aes-xts-plain64/);
    assert.match(await cinder.run('encryption-type-list'), /luks/);
    await cinder.run('encryption-type-delete', 'hidden');
    await cinder.run('type-delete', 'hidden');
  });

  it('qos-specs', async function () {
    this.timeout(240_000);
    await cinder.run('type-create', 'limited');
    const { id: type = '' } = await cinder.properties('type-show', 'limited');
    await cinder.run('qos-create', 'slow', 'total_iops_sec=100');
    const [{ ID: id = '' } = {}] = await cinder.rows('qos-list');
    await cinder.run('qos-key', id, 'set', 'read_iops_sec=5');
    assert.match(await cinder.run('qos-show', id), /read_iops_sec/);
    await cinder.run('qos-associate', id, type);
    assert.deepEqual(await column('Name', 'qos-get-association', id), ['limited']);
    await cinder.run('qos-disassociate', id, type);
    await cinder.run('qos-associate', id, type);
    await cinder.run('qos-disassociate-all', id);
    assert.deepEqual(await column('Name', 'qos-get-association', id), []);
    await cinder.run('qos-delete', id);
    await cinder.run('type-delete', 'limited');
  });

  it('attachments', async function () {
    this.timeout(240_000);
    await volume('plug');
    await cinder.run('attachment-create', 'plug', '11111111-1111-4111-8111-111111111111');
    const [id = ''] = await column('ID', 'attachment-list');
    await cinder.run(
      'attachment-update',
      id,
      '--initiator',
      'iqn.2026-01.org.example:h',
      '--host',
      'h',
      '--ip',
      '127.0.0.1',
    );
    assert.match(await cinder.run('attachment-show', id), /target_portal/);
    await cinder.run('attachment-complete', id);
    await becomes('show', 'plug', 'in-use');
    await cinder.run('attachment-delete', id);
    await becomes('show', 'plug', 'available');
    await remove('plug');
  });

  it('backups', async function () {
    this.timeout(240_000);
    await volume('kept');
    await cinder.run('backup-create', 'kept', '--name', 'copy');
    const { id = '' } = await becomes('backup-show', 'copy', 'available');
    await cinder.run('backup-update', 'copy', '--name', 'saved');
    assert.deepEqual(await column('Name', 'backup-list'), ['saved']);
    await cinder.run('backup-restore', 'saved', '--volume', 'kept');
    await becomes('show', 'kept', 'available');
    await becomes('backup-show', 'saved', 'available');
    const record = await cinder.properties('backup-export', id);
    await cinder.run('backup-reset-state', id, '--state', 'error');
    assert.equal((await cinder.properties('backup-show', 'saved'))['status'], 'error');
    await cinder.run('backup-delete', id);
    await gone('backup-show', 'saved');
    await cinder.run('backup-import', record['backup_service'] ?? '', record['backup_url'] ?? '');
    await remove('kept');
  });

  it('transfers', async function () {
    this.timeout(240_000);
    await volume('gift');
    const made = await cinder.properties('transfer-create', 'gift', '--name', 'for-you');
    assert.deepEqual(await column('Name', 'transfer-list'), ['for-you']);
    assert.equal((await cinder.properties('transfer-show', made['id'] ?? ''))['name'], 'for-you');
    await cinder.run('transfer-delete', made['id'] ?? '');
    const again = await cinder.properties('transfer-create', 'gift');
    await cinder.run('transfer-accept', again['id'] ?? '', again['auth_key'] ?? '');
    await becomes('show', 'gift', 'available');
    await remove('gift');
  });

  /** Groups are what consistency groups have become; only a new one, which would promise more, is refused. */
  async function olderWords(): Promise<void> {
    await cinder.refused(/no back end/, 'consisgroup-create', 'one', '--name', 'none');
    assert.deepEqual(await column('Name', 'consisgroup-list'), ['both']);
    await cinder.run('consisgroup-update', 'both', '--description', 'older');
    await becomes('consisgroup-show', 'both', 'available');
    assert.equal((await cinder.properties('consisgroup-show', 'both'))['description'], 'older');
    await cinder.run('cgsnapshot-create', 'both', '--name', 'instant');
    await becomes('cgsnapshot-show', 'instant', 'available');
    assert.deepEqual((await column('Name', 'cgsnapshot-list')).toSorted(), ['instant', 'moment']);
    await cinder.run('consisgroup-create-from-src', '--cgsnapshot', 'instant', '--name', 'again');
    await becomes('consisgroup-show', 'again', 'available');
    await cinder.run('consisgroup-delete', '--force', 'again');
    await gone('consisgroup-show', 'again');
    await cinder.run('cgsnapshot-delete', 'instant');
    await gone('cgsnapshot-show', 'instant');
  }

  it('groups', async function () {
    this.timeout(240_000);
    await cinder.run('group-type-create', 'kind');
    const { id: kind = '' } = await cinder.properties('group-type-show', 'kind');
    await cinder.run('group-type-key', 'kind', 'set', 'a=b');
    await cinder.run('group-type-update', kind, '--description', 'd');
    assert.match(await cinder.run('group-specs-list'), /kind/);
    assert.ok((await column('Name', 'group-type-list')).includes('kind'));
    await cinder.run('group-create', 'kind', 'one', '--name', 'both');
    await becomes('group-show', 'both', 'available');
    const { id = '' } = await volume('member');
    await cinder.run('group-update', 'both', '--add-volumes', id, '--description', 'd');
    await becomes('group-show', 'both', 'available');
    assert.deepEqual(await column('Name', 'group-list'), ['both']);
    await cinder.run('group-snapshot-create', 'both', '--name', 'moment');
    await becomes('group-snapshot-show', 'moment', 'available');
    assert.deepEqual(await column('Name', 'group-snapshot-list'), ['moment']);
    await cinder.run('group-create-from-src', '--group-snapshot', 'moment', '--name', 'copy');
    await becomes('group-show', 'copy', 'available');
    await cinder.run('group-delete', 'copy', '--delete-volumes');
    await gone('group-show', 'copy');
    for (const command of ['enable-replication', 'disable-replication', 'failover-replication'])
      await cinder.refused(/replicat/, `group-${command}`, 'both');
    await cinder.refused(/replicat/, 'group-list-replication-targets', 'both');
    await cinder.refused(/Default group type can not be found/, 'group-type-default');
    await olderWords();
    await cinder.run('group-snapshot-delete', 'moment');
    await gone('group-snapshot-show', 'moment');
    await cinder.run('group-delete', 'both', '--delete-volumes');
    await gone('group-show', 'both');
    await cinder.run('group-type-delete', 'kind');
  });

  it('quotas and limits', async function () {
    this.timeout(240_000);
    await cinder.run('quota-update', project, '--volumes', '7');
    assert.equal((await cinder.properties('quota-show', project))['volumes'], '7');
    assert.match(await cinder.run('quota-usage', project), /volumes/);
    await cinder.run('quota-delete', project);
    const defaults = await cinder.properties('quota-defaults', project);
    assert.equal((await cinder.properties('quota-show', project))['volumes'], defaults['volumes']);
    await cinder.run('quota-class-update', 'default', '--snapshots', '77');
    assert.equal((await cinder.properties('quota-class-show', 'default'))['snapshots'], '77');
    await cinder.run('quota-class-update', 'default', '--snapshots', defaults['snapshots'] ?? '');
    assert.match(await cinder.run('absolute-limits'), /maxTotalVolumes/);
    await cinder.run('rate-limits');
  });

  it('what operators look at', async function () {
    this.timeout(240_000);
    const services = await cinder.rows('service-list', '--binary', 'cinder-volume');
    const host = services.map((row) => row['Host'] ?? '').find((each) => each.endsWith('@lvm2')) ?? '';
    await cinder.run('service-disable', host, 'cinder-volume', '--reason', 'why');
    const status = () => column('Status', 'service-list', '--host', host);
    assert.deepEqual(await status(), ['disabled']);
    await cinder.run('service-enable', host, 'cinder-volume');
    assert.deepEqual(await status(), ['enabled']);
    await cinder.run('freeze-host', host);
    await cinder.refused(/frozen/, 'freeze-host', host);
    await cinder.run('thaw-host', host);
    await cinder.refused(/replicat/, 'failover-host', host);
    await cinder.run('service-set-log', 'INFO', '--binary', 'cinder-volume');
    await cinder.run('service-get-log', '--binary', 'cinder-volume');
    assert.match(await cinder.run('get-pools', '--detail'), /lvm2/);
    assert.match(await cinder.run('get-capabilities', host), /iSCSI/i);
    await cinder.run('cluster-list');
    for (const command of ['cluster-show', 'cluster-enable', 'cluster-disable'])
      await cinder.refused(/could not be found/, command, 'none');
    await cinder.run('work-cleanup');
    assert.deepEqual(await column('Name', 'availability-zone-list'), ['nova']);
    assert.match(await cinder.run('list-filters', '--resource', 'volume'), /status/);
    assert.match(await cinder.run('version-list'), /3\.71/);
    assert.match(await cinder.run('api-version'), /3/);
  });

  it('messages', async function () {
    this.timeout(240_000);
    await cinder.run('create', '1000000', '--name', 'huge', '--volume-type', 'one');
    const { id: volumeId = '' } = await becomes('show', 'huge', 'error');
    const ids = () => column('ID', 'message-list', '--resource_uuid', volumeId);
    const [id = ''] = await ids();
    assert.equal((await cinder.properties('message-show', id))['message_level'], 'ERROR');
    await cinder.run('message-delete', id);
    assert.deepEqual(await ids(), []);
    await remove('huge');
  });

  it('leaves none out without a reason', async () => {
    const commands = await cinder.commands();
    const missing = commands.filter((command) => !cinder.walked.has(command) && !(command in NOT_WALKED));
    assert.deepEqual(missing, []);
    const stale = Object.keys(NOT_WALKED).filter(
      (each) => cinder.walked.has(each) || !commands.includes(each),
    );
    assert.deepEqual(stale, []);
  });
});
