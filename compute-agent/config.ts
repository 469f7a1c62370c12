import { networkInterfaces } from 'node:os';
import { z } from 'zod';
import { HOST_NAME } from '#queues/names.ts';
import { asId, type HostName } from '#schema/ids.ts';

export interface ComputeConfig {
  readonly host: HostName;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly stateDir: string;
  readonly secretKey: string;
  readonly availabilityZone: string;
  readonly hypervisor: 'libvirt' | 'noop';
  readonly noopServers: number;
  readonly libvirtUri: string;
  /** The IQN this host logs in as. */
  readonly initiator: string;
  /** Where other hosts reach this one; told in connector facts only. */
  readonly ip: string;
  readonly detachTimeoutMs: number;
  readonly version: string;
}

const ISCSI_NAME = /^iqn\.\d{4}-\d{2}\.[a-z0-9.:-]+$/;

const environment = z.object({
  BLOCKYARD_HOST: z.string().regex(HOST_NAME, 'expected letters, digits, ".", "_", "-"'),
  REDIS_URL: z.string().regex(/^rediss?:\/\//, 'expected redis://…'),
  BLOCKYARD_QUEUE_PREFIX: z.string().min(1).default('blockyard'),
  BLOCKYARD_STATE_DIR: z.string().startsWith('/', 'expected an absolute path'),
  BLOCKYARD_SECRET_KEY: z.string().regex(/^[0-9a-f]{64}$/i, 'expected 64 hexadecimal characters'),
  BLOCKYARD_AVAILABILITY_ZONE: z.string().min(1).default('nova'),
  BLOCKYARD_HYPERVISOR: z.enum(['libvirt', 'noop']).default('libvirt'),
  BLOCKYARD_NOOP_SERVERS: z.coerce.number().int().min(0).max(100_000).default(1),
  BLOCKYARD_LIBVIRT_URI: z.string().min(1).default('qemu:///system'),
  BLOCKYARD_INITIATOR_NAME: z.string().max(223).regex(ISCSI_NAME, 'expected an IQN').optional(),
  BLOCKYARD_IP: z.union([z.ipv4(), z.ipv6()]).optional(),
  // Nova's: eight requests, twenty seconds each.
  BLOCKYARD_DETACH_TIMEOUT_S: z.coerce.number().positive().max(86_400).default(160),
});

/**
 * Reads the agent's configuration.
 * @throws Error naming each variable that is missing or wrong, and what is expected of it.
 */
export function readComputeConfig(
  env: Readonly<Record<string, string | undefined>>,
  version: string,
): ComputeConfig {
  const parsed = environment.safeParse(env);
  if (!parsed.success) {
    const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
    throw new Error(`Configuration: ${problems.join('; ')}`);
  }
  const { data } = parsed;
  return {
    host: asId(data.BLOCKYARD_HOST),
    redisUrl: data.REDIS_URL,
    prefix: data.BLOCKYARD_QUEUE_PREFIX,
    stateDir: `${data.BLOCKYARD_STATE_DIR}/compute`,
    secretKey: data.BLOCKYARD_SECRET_KEY,
    availabilityZone: data.BLOCKYARD_AVAILABILITY_ZONE,
    hypervisor: data.BLOCKYARD_HYPERVISOR,
    noopServers: data.BLOCKYARD_NOOP_SERVERS,
    libvirtUri: data.BLOCKYARD_LIBVIRT_URI,
    initiator: data.BLOCKYARD_INITIATOR_NAME ?? initiatorOf(data.BLOCKYARD_HOST),
    ip: data.BLOCKYARD_IP ?? firstAddress(),
    detachTimeoutMs: data.BLOCKYARD_DETACH_TIMEOUT_S * 1_000,
    version,
  };
}

/** RFC 3722: iSCSI names are lower case, and know no underscore. */
function initiatorOf(host: string): string {
  return `iqn.2010-10.org.blockyard:host:${host.toLowerCase().replaceAll('_', '-')}`;
}

function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return addresses.find(({ internal, family }) => !internal && family === 'IPv4')?.address ?? '127.0.0.1';
}
