import { mkdir } from 'node:fs/promises';
import type { KeyedMutex } from '#agent/keyed-mutex.ts';
import type { Secrets } from '#queues/secrets.ts';
import { reach } from '#queues/stopping-points.ts';
import { TaskError, type TaskInput, type TaskOutput } from '#schema/tasks.ts';
import type { Connector } from '../connectors/connector.ts';
import { diskOf, findDomain } from '../disks/domain-view.ts';
import { limitsOf } from '../disks/limits.ts';
import { deviceFitsBus, firstFreeName } from '../libvirt/domain-xml/device-name.ts';
import { targetOf } from '../libvirt/domain-xml/domain-document.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { consoleLogOf } from './console.ts';
import type { Machine } from './machine.ts';
import { serverXml } from './server-xml.ts';
import { startDomain } from './start.ts';

export interface ServerDeps {
  readonly virsh: Virsh;
  readonly connector: Connector;
  readonly secrets: Secrets;
  /** No attach of ours between looking at a server and defining it. */
  readonly servers: KeyedMutex;
  readonly machine: () => Promise<Machine>;
  /** Where consoles are written down. */
  readonly consoleDir: string;
}

type Request = TaskInput<'server.ensure'>;

/**
 * Connects the root volume, defines the server from it, marks it to be started with the host and starts it: whatever of
 * that is still to be done.
 * @throws TaskError `refused` when the host has a domain with the server's id that boots from something else.
 */
export async function ensureServer(deps: ServerDeps, request: Request): Promise<TaskOutput<'server.ensure'>> {
  const { virsh, connector, secrets, servers } = deps;
  const { volumeId, serverId } = request;
  return await servers.run(serverId, async () => {
    const view = await findDomain(virsh, serverId);
    const root = diskOf(view?.config ?? null, volumeId);
    if (view !== null && root === undefined) {
      throw new TaskError(
        'refused',
        `domain ${view.name} has the server's id and does not boot from its volume`,
      );
    }
    const machine = await deps.machine();
    const source = await connector.connect({
      volumeId,
      connection: request.connection,
      initiator: request.initiator,
      chap: { username: request.chap.username, secret: secrets.decrypt(request.chap.secret, volumeId) },
      ...(request.luks !== undefined && { passphrase: secrets.decrypt(request.luks.secret, volumeId) }),
    });
    await reach('server.connected');
    const device = (root && targetOf(root)) ?? placeOf(request);
    if (view === null) {
      const disk = {
        volumeId,
        source,
        bus: request.bus,
        device,
        iotune: limitsOf(request.iotune),
        readOnly: request.readonly,
      };
      const consoleLog = consoleLogOf(deps.consoleDir, serverId);
      const xml = serverXml({ ...request, ...machine, id: serverId, disk, consoleLog });
      await mkdir(deps.consoleDir, { recursive: true, mode: 0o700 });
      await virsh.run(['define'], { xml });
    }
    await reach('server.defined');
    await virsh.run(['autostart', serverId]);
    await startDomain(virsh, serverId);
    return { device: `/dev/${device}` };
  });
}

function placeOf({ device, bus }: Request): string {
  if (device === null) return firstFreeName(new Set(), bus);
  const name = device.replace(/^\/dev\//, '');
  if (deviceFitsBus(name, bus)) return name;
  throw new TaskError('invalid', `device ${device} does not fit bus ${bus}`);
}
