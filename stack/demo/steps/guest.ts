import { randomUUID } from 'node:crypto';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GuestConsole } from '#stack/guest/console.ts';
import { guestDomainXml } from '#stack/guest/domain.ts';
import type { Guest } from '#stack/guest/image.ts';
import { expect } from '../expect.ts';
import { virsh } from '../host.ts';
import { duration, type Step } from '../report.ts';
import type { Scene } from '../scene.ts';

/** The running guest; its name in libvirt and, as UUID, its id as a server. */
export interface RunningGuest {
  readonly name: string;
  readonly id: string;
  readonly console: GuestConsole;
}

const ROOT_DISK_BYTES = 64 * 2 ** 20;

/** As an operator would: `virsh define`, `virsh start`. Nobody tells Blockyard about it. */
export async function bootGuest(
  { stack, client, made }: Scene,
  step: Step,
  image: Guest,
): Promise<RunningGuest> {
  const id = randomUUID();
  const name = `demo-${id.slice(0, 8)}`;
  const file = (end: string): string => join(stack.runDir, `guest.${end}`);
  const [consoleSocket, consoleLog, disk, xml] = [file('sock'), file('console'), file('disk'), file('xml')];
  await writeFile(disk, '');
  await truncate(disk, ROOT_DISK_BYTES);
  const devices = `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${disk}'/>
      <target dev='vda' bus='virtio'/><serial>own-disk</serial></disk>`;
  await writeFile(
    xml,
    guestDomainXml({ ...image, name, uuid: id, consoleSocket, consoleLog, devices, project: stack.project }),
  );
  await virsh(stack.env, 'define', xml);
  made.domain = id;
  await virsh(stack.env, 'start', name);
  const started = performance.now();
  step.did(`virsh define guest.xml; virsh start ${name}`);
  const console = await GuestConsole.open(consoleSocket, consoleLog);
  made.console = console;
  const { body } = await client.until(
    'server ACTIVE',
    `/compute/v2.1/servers/${id}`,
    (answer) => answer.body?.server?.status === 'ACTIVE',
  );
  step.saw(
    `the API lists server ${body.server.name} as ACTIVE, ${duration(performance.now() - started)} after its start`,
  );
  await console.waitFor(/^guest: ready$/m);
  const disks = await console.command('list');
  expect('disks of the guest', disks, [`disk vda serial=own-disk bytes=${ROOT_DISK_BYTES}`]);
  step.saw(
    `guest console, ${duration(performance.now() - started)} after its start: ready; ${disks.join('; ')}`,
  );
  return { name, id, console };
}

/** The same way: `virsh destroy`, `virsh undefine`. */
export async function removeGuest(
  { stack, client, made }: Scene,
  step: Step,
  guest: RunningGuest,
): Promise<void> {
  await guest.console[Symbol.asyncDispose]();
  delete made.console;
  await virsh(stack.env, 'destroy', guest.name);
  await virsh(stack.env, 'undefine', guest.name);
  delete made.domain;
  step.did(`virsh destroy ${guest.name}; virsh undefine ${guest.name}`);
  await client.until('404', `/compute/v2.1/servers/${guest.id}`, ({ status }) => status === 404);
  step.saw('GET of the server answers 404');
}
