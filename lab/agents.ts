import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agentQueue } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { agentRedisUrl, newPassword, putAgentUser } from '#queues/redis-users.ts';
import { agentKeys } from '#queues/secrets.ts';
import { asId, type HostName } from '#schema/ids.ts';
import type { MachineFile } from './machine/seed.ts';
import { COMPUTE, type Node, STORAGE } from './nodes.ts';
import { VOLUME_GROUP, volumeGroupUnit } from './volume-group.ts';

/** The IQN that the compute node logs in as. */
export const INITIATOR = 'iqn.2010-10.org.blockyard:host:compute';
/** What volume types ask for. */
export const BACKEND_NAME = { thin: 'thin', thick: 'thick' } as const;

/** The host as the machines see it: QEMU's user network. */
const HOST = '10.0.2.2';
/** Where Node keeps compiled code inside, by the agent's unit. Without it an agent's start takes twice as long. */
export const compileCacheOf = ({ name }: Node): string => `/var/cache/blockyard-${name}/node`;
const TREE = '/opt/blockyard';

/** What makes a machine a node of Blockyard: its agent as the unit that production has, with all that it forbids. */
export interface AgentUnit {
  readonly wants: readonly string[];
  readonly files: readonly MachineFile[];
}

/** @param stack environment of the host's own processes */
export async function agentUnit(
  node: Node,
  stack: Readonly<Record<string, string>>,
  tree: string,
): Promise<AgentUnit> {
  const unit = `blockyard-${node.name}.service`;
  const environment = {
    ...common(node, stack),
    ...(await credentials(node, stack)),
    ...(node.name === 'storage' ? storage(stack) : COMPUTE_SETTINGS),
  };
  const group = node.name === 'storage' ? [volumeGroupUnit] : [];
  const after = [...node.wants, ...group.map(({ name }) => name)].join(' ');
  return {
    wants: [unit],
    files: [
      ...group.flatMap(({ files }) => files),
      {
        path: `/etc/systemd/system/${unit}`,
        content: await readFile(join(tree, 'packaging/systemd', unit), 'utf8'),
      },
      {
        path: `/etc/systemd/system/${unit}.d/lab.conf`,
        content: `[Unit]\nAfter=${after}\nWants=${after}\n`,
      },
      { path: settingsOf(node), content: environmentFile(environment), mode: 0o600 },
    ],
  };
}

/** The agent's environment file on its node. */
export function settingsOf({ name }: Node): string {
  return `/etc/blockyard/${name}.env`;
}

/** systemd.exec(5): double quotes with backslashes. */
function environmentFile(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}="${value.replaceAll(/["\\\\]/g, '\\\\$&')}"\n`)
    .join('');
}

function common({ name }: Node, stack: Readonly<Record<string, string>>): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${TREE}/lab/inside/keep-compile-cache.ts`,
    BLOCKYARD_QUEUE_PREFIX: stack['BLOCKYARD_QUEUE_PREFIX']!,
    BLOCKYARD_HOST: name,
  };
}

/** What `blockyard agent add` gives to an agent. */
async function credentials(
  { name: kind }: Node,
  stack: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const [url, prefix, password] = [stack['REDIS_URL']!, stack['BLOCKYARD_QUEUE_PREFIX']!, newPassword()];
  const agent = { kind, host: asId<HostName>(kind) };
  const redis = openRedis(url);
  await putAgentUser(redis, prefix, agent, password);
  redis.disconnect();
  return {
    REDIS_URL: agentRedisUrl(seenFromInside(url), prefix, agent, password),
    BLOCKYARD_AGENT_KEY: agentKeys(stack['BLOCKYARD_SECRET_KEY']!, agentQueue(kind, agent.host)),
  };
}

function storage(stack: Readonly<Record<string, string>>): Record<string, string> {
  const [ipv4, , ipv6] = STORAGE.addresses;
  const { name, thinPool } = VOLUME_GROUP;
  const collector = stack['OTEL_EXPORTER_OTLP_ENDPOINT'];
  return {
    ...(collector === undefined ? {} : tracing(seenFromInside(collector))),
    BLOCKYARD_BACKENDS: `lvm-thin:name=${BACKEND_NAME.thin},vg=${name},pool=${thinPool};lvm:name=${BACKEND_NAME.thick},vg=${name}`,
    BLOCKYARD_TARGET: 'lio',
    BLOCKYARD_ISCSI_PORTAL: `${ipv4}:3260,[${ipv6}]:3260`,
    BLOCKYARD_IMAGE_URL: seenFromInside(`http://${stack['BLOCKYARD_LISTEN']}/image`),
  };
}

/** Only traces that a caller wants: telling of all of them costs an emulated processor too much. */
export function tracing(collector: string): Record<string, string> {
  return { OTEL_EXPORTER_OTLP_ENDPOINT: collector, OTEL_TRACES_SAMPLER_ARG: '0' };
}

const COMPUTE_SETTINGS = {
  BLOCKYARD_CONNECTOR: 'open-iscsi',
  BLOCKYARD_INITIATOR_NAME: INITIATOR,
  BLOCKYARD_IP: COMPUTE.addresses[0],
};

/** The host's loopback has another address inside, and its Unix sockets are out of reach. */
function seenFromInside(address: string): string {
  const url = new URL(address);
  if (['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname)) url.hostname = HOST;
  url.searchParams.delete('path');
  return url.href;
}
