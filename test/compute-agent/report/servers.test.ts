import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { serverLister } from '#compute-agent/report/servers.ts';
import { startLibvirt } from '#stack/servers/libvirt.ts';
import { Lab } from '../support/lab.ts';

describe('the servers an agent reports', function () {
  this.timeout(60_000);
  let lab: Lab;
  before(async () => {
    lab = await Lab.open();
  });
  after(() => lab?.[Symbol.asyncDispose]());

  it('are the domains, with what their metadata and state say', async () => {
    const list = serverLister(lab.virsh, lab.events);
    assert.deepEqual(await list(), []);
    const [one, two] = [await lab.deafGuest('one'), await lab.deafGuest("two's; #2")];
    await lab.run('start', one);
    const common = { projectId: null, vcpus: 1, memoryMib: 32 };
    assert.deepEqual(await list(), [
      { id: one, name: 'one', status: 'ACTIVE', ...common },
      { id: two, name: "two's; #2", status: 'SHUTOFF', ...common },
    ]);
    await lab.run('suspend', one);
    const changed = new EventEmitter();
    lab.events.subscribe((event) => changed.emit(event.kind));
    const told = once(changed, 'lifecycle');
    const uri = 'https://blockyard.dev/xmlns/1';
    await lab.run(
      'metadata',
      two,
      '--uri',
      uri,
      '--key',
      'blockyard',
      '--set',
      '<instance project="a&amp;b"/>',
      '--config',
    );
    await told;
    assert.deepEqual(
      (await list()).map(({ status, projectId }) => [status, projectId]),
      [
        ['PAUSED', null],
        ['SHUTOFF', 'a&b'],
      ],
    );
    await lab.run('undefine', two);
    assert.deepEqual(
      (await list()).map(({ name }) => name),
      ['one'],
    );
  });

  it('are known again after libvirtd has been restarted', async () => {
    const list = serverLister(lab.virsh, lab.events);
    await list();
    const gap = new EventEmitter();
    lab.events.subscribe((event) => gap.emit(event.kind));
    const told = once(gap, 'gap');
    await lab.libvirt.stop();
    await told;
    await assert.rejects(list(), { failure: 'disconnected' });
    lab.libvirt = await startLibvirt({ dir: join(lab.dir, 'l'), cacheDir: '.data/cache/libvirt' });
    assert.deepEqual(
      (await list()).map(({ name, status }) => [name, status]),
      [['one', 'SHUTOFF']],
    );
  });
});
