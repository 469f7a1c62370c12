import { isIP } from 'node:net';
import { z } from 'zod';
import { AGENT_SETTINGS, type AgentConfig, agentConfigOf } from '#agent/config.ts';
import { readSettings } from '#schema/settings.ts';
import { type BackendConfig, backends } from './backends/config.ts';
import { BACKUP_SETTINGS, type BackupConfig, backupConfigOf } from './backups/config.ts';
import { IMAGE_SETTINGS, type ImageServiceConfig, imageServiceOf } from './images/config.ts';

export interface StorageConfig extends AgentConfig {
  readonly backends: readonly BackendConfig[];
  readonly target: 'tgt' | 'lio' | 'none';
  readonly tgtSocket: string;
  readonly portals: readonly string[];
  readonly iqnPrefix: string;
  /** Null: volumes cannot be made from images here. */
  readonly imageService: ImageServiceConfig | null;
  /** Room for one fetched image per volume that is being made from one; emptied at the first. */
  readonly imageDir: string;
  /** Null: this host makes no backups and restores none. */
  readonly backups: BackupConfig | null;
}

/** `address:port`; IPv6 in brackets. */
const PORTAL = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):\d{1,5}$/;

const portals = z
  .string({ error: 'is not set' })
  .transform((text) => text.split(',').map((each) => each.trim()))
  .refine((all) => all.every(isPortal), {
    error: 'must be address:port, IPv6 in brackets, several with commas between',
  });

/** RFC 7143 4.2.7.3.1, in the characters that tgtd takes; with `:volume-<uuid>` it stays under 223. */
const iqnPrefix = z
  .string()
  .regex(/^iqn\.\d{4}-\d{2}\.[a-z0-9.:-]{1,160}$/, { error: 'must be like iqn.2010-10.org.example' })
  .default('iqn.2010-10.org.blockyard');

/** @throws Error that names the variable. */
export function readStorageConfig(variables: Readonly<Record<string, string | undefined>>): StorageConfig {
  const env = readSettings(
    {
      ...AGENT_SETTINGS,
      BLOCKYARD_BACKENDS: backends,
      BLOCKYARD_TARGET: z.enum(['tgt', 'lio', 'none'], { error: 'must be tgt, lio or none' }).default('tgt'),
      BLOCKYARD_TGT_SOCKET: z
        .string()
        .startsWith('/', { error: 'must be an absolute path' })
        .default('/var/run/tgtd/socket.0'),
      BLOCKYARD_ISCSI_PORTAL: portals,
      BLOCKYARD_IQN_PREFIX: iqnPrefix,
      ...IMAGE_SETTINGS,
      ...BACKUP_SETTINGS,
    },
    variables,
  );
  if (env.BLOCKYARD_TARGET !== 'none' && env.BLOCKYARD_BACKENDS.some(({ kind }) => kind === 'noop'))
    throw new Error('BLOCKYARD_TARGET must be none with a noop backend, which has nothing to export');
  if (env.BLOCKYARD_TARGET === 'lio' && !env.BLOCKYARD_ISCSI_PORTAL.every(hasAddress))
    throw new Error('BLOCKYARD_ISCSI_PORTAL must have IP addresses, not names, when BLOCKYARD_TARGET is lio');
  return {
    ...agentConfigOf('storage', env),
    backends: env.BLOCKYARD_BACKENDS,
    target: env.BLOCKYARD_TARGET,
    tgtSocket: env.BLOCKYARD_TGT_SOCKET,
    portals: env.BLOCKYARD_ISCSI_PORTAL,
    iqnPrefix: env.BLOCKYARD_IQN_PREFIX,
    imageService: imageServiceOf(env),
    backups: backupConfigOf(env),
    imageDir: `${env.BLOCKYARD_IMAGE_CONVERSION_DIR ?? `${env.BLOCKYARD_STATE_DIR}/storage`}/image-conversion`,
  };
}

function isPortal(text: string): boolean {
  const port = Number(text.slice(text.lastIndexOf(':') + 1));
  return PORTAL.test(text) && port >= 1 && port <= 65_535;
}

/** The kernel listens on addresses. */
function hasAddress(portal: string): boolean {
  return isIP(portal.slice(0, portal.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1')) !== 0;
}
