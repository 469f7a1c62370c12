import type { DiskSource } from '../libvirt/domain-xml/disk-spec.ts';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { VirshError } from '../libvirt/virsh/virsh-error.ts';
import { speaks } from './answers.ts';
import type { Connector } from './connector.ts';
import { parsePortal } from './portal.ts';
import { secretId } from './secret-id.ts';

/**
 * QEMU logs in by itself; this host needs no initiator of its own. The CHAP secret lies with libvirt, kept on
 * disk so that a domain still starts after the host has, and readable by nobody through its API (`private`).
 */
export function libiscsiConnector(virsh: Virsh): Connector {
  const disconnect = async (volumeId: string): Promise<void> => {
    try {
      await virsh.run(['secret-undefine', secretId(volumeId)]);
    } catch (error) {
      if (!(error instanceof VirshError && error.failure === 'secret-not-found')) throw error;
    }
  };
  return {
    async connect({ volumeId, connection, initiator, chap }) {
      const uuid = secretId(volumeId);
      await virsh.run(['secret-define'], { xml: secretXml(uuid, volumeId) });
      await virsh.run(['secret-set-value', uuid, Buffer.from(chap.secret).toString('base64')]);
      const { host, port } = parsePortal(connection.portals[0] ?? '');
      return {
        type: 'iscsi',
        host,
        port,
        iqn: connection.iqn,
        lun: connection.lun,
        initiator,
        chap: { username: chap.username, secretUuid: uuid },
      };
    },
    // A logout whose connection breaks is one that libiscsi (1.19) waits for without end, and all of QEMU with it: the guest
    // stands still until somebody kills it. So no disk is given back to a target that is away, nor to one that
    // says nothing (its process is stopped, say): the guest stands still for as long, and without end should the target then go.
    canLetGo: isAtWork,
    // A login holds up all of QEMU, too.
    canPlug: (_volumeId, source) => isAtWork(source),
    disconnect,
    // What QEMU still has of it ends with the guest's disk.
    abandon: disconnect,
    // QEMU asks the target for its capacity when libvirt tells it the new size.
    grown: async () => undefined,
    // QEMU logs in when a domain starts, with the secret that libvirt has kept.
    reconnect: async () => null,
    tidy: async () => undefined,
    inventory: async () => ({ secrets: secretsIn(await virsh.run(['secret-list'])), connections: [] }),
  };
}

/** The target that QEMU itself reaches the disk at, if it does, says something. */
async function isAtWork(source: DiskSource | null): Promise<boolean> {
  return source?.type !== 'iscsi' || (await speaks(source, source.initiator ?? NOBODY));
}

/** Who asks where a disk does not say whom its target knows. */
const NOBODY = 'iqn.2010-10.org.blockyard:host';

const SECRET = /^\s*([0-9a-f-]{36})\s+iscsi\s+blockyard:([0-9a-f-]{36})\s*$/;

/** `secret-list`: a UUID and what it is used for on each line. */
function secretsIn(text: string): { uuid: string; volumeId: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, uuid, volumeId] = SECRET.exec(line) ?? [];
    return uuid === undefined || volumeId === undefined ? [] : [{ uuid, volumeId }];
  });
}

function secretXml(uuid: string, volumeId: string): string {
  return `<secret ephemeral='no' private='yes'>
  <uuid>${uuid}</uuid>
  <description>CHAP secret of a Blockyard volume</description>
  <usage type='iscsi'><target>blockyard:${volumeId}</target></usage>
</secret>
`;
}
