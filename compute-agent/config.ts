import { readFileSync } from 'node:fs';
import { cpus, networkInterfaces, totalmem } from 'node:os';
import { z } from 'zod';
import { AGENT_SETTINGS, type AgentConfig, agentConfigOf } from '#agent/config.ts';
import type { ComputeReport } from '#schema/reports.ts';
import { readSettings } from '#schema/settings.ts';
import { DOMAIN_TYPES, type DomainTypeSetting } from './servers/machine.ts';

export interface ComputeConfig extends AgentConfig {
  readonly hypervisor: 'libvirt' | 'noop';
  readonly noopServers: number;
  readonly libvirtUri: string;
  /** Who logs in to targets: the kernel, by open-iscsi, or QEMU by itself. */
  readonly connector: 'open-iscsi' | 'libiscsi';
  /** The IQN this host logs in as. */
  readonly initiator: string;
  /** This host's address, for the connector facts that clients see. */
  readonly ip: string;
  readonly detachTimeoutMs: number;
  /** What servers are emulated with; `auto` is KVM where libvirt offers it. */
  readonly domainType: DomainTypeSetting;
  /** How long a guest may take to shut down before it is switched off. */
  readonly shutdownTimeoutMs: number;
  /** What servers may add up to here. */
  readonly room: ComputeReport['room'];
}

const ratio = z.coerce
  .number({ error: 'must be a number' })
  .positive({ error: 'must be more than 0' })
  .max(1_000, { error: 'must be at most 1000' });

// RFC 7143 4.2.7.3.1, in lower case as RFC 3722 has it.
const INITIATOR = /^iqn\.\d{4}-\d{2}\.[a-z0-9.:-]{1,211}$/;

/** The name that open-iscsi logs in by on its own account. */
const HOST_INITIATOR = '/etc/iscsi/initiatorname.iscsi';

const shape = {
  ...AGENT_SETTINGS,
  BLOCKYARD_HYPERVISOR: z.enum(['libvirt', 'noop'], { error: 'must be libvirt or noop' }).default('libvirt'),
  BLOCKYARD_NOOP_SERVERS: z.coerce
    .number({ error: 'must be a number' })
    .int({ error: 'must be a whole number' })
    .min(0, { error: 'must not be negative' })
    .max(100_000, { error: 'must be at most 100000' })
    .default(1),
  BLOCKYARD_LIBVIRT_URI: z.string().min(1, { error: 'is empty' }).default('qemu:///system'),
  BLOCKYARD_CONNECTOR: z
    .enum(['open-iscsi', 'libiscsi'], { error: 'must be open-iscsi or libiscsi' })
    .default('libiscsi'),
  BLOCKYARD_INITIATOR_NAME: z
    .string()
    .regex(INITIATOR, { error: 'must be like iqn.2010-10.org.example:host' })
    .optional(),
  BLOCKYARD_IP: z.union([z.ipv4(), z.ipv6()], { error: 'must be an IP address' }).optional(),
  // Nova's: eight requests, twenty seconds each.
  BLOCKYARD_DETACH_TIMEOUT_S: z.coerce
    .number({ error: 'must be a number of seconds' })
    .positive({ error: 'must be more than 0' })
    .max(86_400, { error: 'must be at most a day' })
    .default(160),
  BLOCKYARD_DOMAIN_TYPE: z
    .enum(DOMAIN_TYPES, { error: `must be ${DOMAIN_TYPES.join(', ')}` })
    .default('auto'),
  // Nova's defaults, for these four.
  BLOCKYARD_SHUTDOWN_TIMEOUT_S: z.coerce
    .number({ error: 'must be a number of seconds' })
    .min(0, { error: 'must not be negative' })
    .max(600, { error: 'must be at most 600' })
    .default(60),
  BLOCKYARD_CPU_ALLOCATION_RATIO: ratio.default(4),
  BLOCKYARD_RAM_ALLOCATION_RATIO: ratio.default(1),
  BLOCKYARD_RESERVED_MEMORY_MIB: z.coerce
    .number({ error: 'must be a number' })
    .min(0, { error: 'must not be negative' })
    .default(512),
};

/**
 * @param hostInitiator file with the host's own `InitiatorName=`.
 * @throws Error that names the variable.
 */
export function readComputeConfig(
  variables: Readonly<Record<string, string | undefined>>,
  hostInitiator: string = HOST_INITIATOR,
): ComputeConfig {
  const env = readSettings(shape, variables);
  return {
    ...agentConfigOf('compute', env),
    hypervisor: env.BLOCKYARD_HYPERVISOR,
    noopServers: env.BLOCKYARD_NOOP_SERVERS,
    libvirtUri: env.BLOCKYARD_LIBVIRT_URI,
    connector: env.BLOCKYARD_CONNECTOR,
    initiator:
      env.BLOCKYARD_INITIATOR_NAME ??
      (env.BLOCKYARD_CONNECTOR === 'open-iscsi' ? namedIn(hostInitiator) : undefined) ??
      initiatorOf(env.BLOCKYARD_HOST),
    ip: env.BLOCKYARD_IP ?? firstAddress(),
    detachTimeoutMs: env.BLOCKYARD_DETACH_TIMEOUT_S * 1_000,
    domainType: env.BLOCKYARD_DOMAIN_TYPE,
    shutdownTimeoutMs: env.BLOCKYARD_SHUTDOWN_TIMEOUT_S * 1_000,
    room: {
      vcpus: Math.floor(cpus().length * env.BLOCKYARD_CPU_ALLOCATION_RATIO),
      memoryMib: Math.max(
        0,
        Math.floor(
          (totalmem() / 2 ** 20 - env.BLOCKYARD_RESERVED_MEMORY_MIB) * env.BLOCKYARD_RAM_ALLOCATION_RATIO,
        ),
      ),
    },
  };
}

/** The name by which targets may know this host already; undefined where open-iscsi has given it none. */
function namedIn(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
  const name = /^InitiatorName=(\S+)$/m.exec(text)?.[1];
  if (name !== undefined && !INITIATOR.test(name))
    throw new Error(
      `BLOCKYARD_INITIATOR_NAME must be set: the name in ${path} is not like iqn.2010-10.org.example:host`,
    );
  return name;
}

/** iSCSI names know no capitals and no underscore. */
function initiatorOf(host: string): string {
  return `iqn.2010-10.org.blockyard:host:${host.toLowerCase().replaceAll('_', '-')}`;
}

function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}
