import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Virsh } from '../libvirt/virsh/virsh.ts';
import { VirshError } from '../libvirt/virsh/virsh-error.ts';
import type { Connector } from './connector.ts';
import { secretId } from './secret-id.ts';

/**
 * A connector that also knows of encrypted volumes: their passphrase lies with libvirt as the CHAP secret of QEMU's own
 * initiator does, kept on disk so that a domain still starts after the host has, readable by nobody through its API, and gone
 * with the connection. Source: libvirt formatsecret, "Usage type volume"; formatstorageencryption.
 * @param dir where a file says which volumes have one, so that nobody need ask libvirt about all the others.
 */
export function withEncryption(connector: Connector, virsh: Virsh, dir: string): Connector {
  const markOf = (volumeId: string): string => join(dir, volumeId);
  const forget = async (volumeId: string): Promise<void> => {
    if (!(await access(markOf(volumeId)).then(yes, no))) return;
    try {
      await virsh.run(['secret-undefine', uuidOf(volumeId)]);
    } catch (error) {
      if (!(error instanceof VirshError && error.failure === 'secret-not-found')) throw error;
    }
    await rm(markOf(volumeId), { force: true });
  };
  return {
    ...connector,
    async connect(request) {
      const { volumeId, passphrase } = request;
      if (passphrase === undefined) return connector.connect(request);
      const uuid = uuidOf(volumeId);
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await writeFile(markOf(volumeId), '');
      await virsh.run(['secret-define'], { xml: secretXml(uuid, volumeId) });
      await virsh.run(['secret-set-value', uuid, Buffer.from(passphrase).toString('base64')]);
      return { ...(await connector.connect(request)), luksSecretUuid: uuid };
    },
    async disconnect(volumeId, connection) {
      await connector.disconnect(volumeId, connection);
      await forget(volumeId);
    },
    async abandon(volumeId, connection) {
      await connector.abandon(volumeId, connection);
      await forget(volumeId);
    },
  };
}

const yes = (): boolean => true;
const no = (): boolean => false;

/** A volume's other secret: libvirt takes one usage per secret. */
const uuidOf = (volumeId: string): string => secretId(`luks:${volumeId}`);

function secretXml(uuid: string, volumeId: string): string {
  return `<secret ephemeral='no' private='yes'>
  <uuid>${uuid}</uuid>
  <description>Passphrase of an encrypted Blockyard volume</description>
  <usage type='volume'><volume>blockyard:${volumeId}</volume></usage>
</secret>
`;
}
