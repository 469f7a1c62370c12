import { expect } from '../expect.ts';
import { diskOf, secrets, targets } from '../host.ts';
import { tellOperation } from '../operations.ts';
import { duration, type Step } from '../report.ts';
import type { Scene } from '../scene.ts';
import type { RunningGuest } from './guest.ts';

export async function detachVolume(
  { client, stack }: Scene,
  step: Step,
  guest: RunningGuest,
  volumeId: string,
): Promise<void> {
  const { env } = stack;
  const mark = guest.console.mark;
  const began = performance.now();
  await client.call(step, 'DELETE', `/compute/v2.1/servers/${guest.id}/os-volume_attachments/${volumeId}`);
  const volume = await client.volumeIs(volumeId, 'available', { back: 'in-use' });
  const took = performance.now() - began;
  await tellOperation(client, step, volumeId, 'volume.detach');
  expect('attachments of the volume', volume.attachments, []);
  step.saw(`available, ${duration(took)} after the request`);
  await guest.console.waitFor(/^guest: disk vdb removed$/m, { mark });
  const vdb = (await guest.console.command('list')).filter((line) => line.startsWith('disk vdb'));
  expect('/dev/vdb in the guest', vdb, []);
  step.saw('guest console: disk vdb removed');
  for (const which of ['live', 'inactive'] as const)
    expect(`<disk> in the ${which} XML`, await diskOf(env, guest.name, volumeId, which), undefined);
  step.saw('virsh dumpxml: no such <disk>, neither live nor --inactive');
  const target = (await targets(env)).find(({ name }) => name.endsWith(volumeId));
  expect('the iSCSI target', target, undefined);
  step.saw('tgtadm: the target and its ACL are gone');
  expect(
    'libvirt secrets of the volume',
    (await secrets(env)).filter((usage) => usage.endsWith(volumeId)),
    [],
  );
  step.saw('virsh secret-list: the CHAP secret is gone');
}
