import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { agentQueue } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { type AgentName, agentRedisUrl, newPassword, putAgentUser } from '#queues/redis-users.ts';
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
  const group = node.name === 'storage' ? [volumeGroupUnit] : [];
  const after = [...node.wants, ...group.map(({ name }) => name)].join(' ');
  const settings = node.name === 'storage' ? storage(stack, BACKENDS, PORTALS) : COMPUTE_SETTINGS;
  const agent = { kind: node.name, host: asId<HostName>(node.name) };
  return {
    wants: [unitOf(agent)],
    files: [
      ...group.flatMap(({ files }) => files),
      ...(await filesOf(agent, settings, stack, tree)),
      {
        path: `/etc/systemd/system/${unitOf(agent)}.d/lab.conf`,
        content: `[Unit]\nAfter=${after}\nWants=${after}\n`,
      },
    ],
  };
}

/**
 * Files of one more storage agent, for a node that has another role; its unit is `blockyard-storage`, its host the node's name.
 * @param backends `BLOCKYARD_BACKENDS`
 */
export async function storageAgentOn(
  { name, addresses: [ipv4] }: Node,
  backends: string,
  stack: Readonly<Record<string, string>>,
  tree: string,
): Promise<readonly MachineFile[]> {
  const agent = { kind: 'storage', host: asId<HostName>(name) } as const;
  return await filesOf(agent, storage(stack, backends, `${ipv4}:3260`), stack, tree);
}

async function filesOf(
  agent: AgentName,
  settings: Readonly<Record<string, string>>,
  stack: Readonly<Record<string, string>>,
  tree: string,
): Promise<MachineFile[]> {
  const environment = { ...common(agent, stack), ...(await credentials(agent, stack)), ...settings };
  return [
    {
      path: `/etc/systemd/system/${unitOf(agent)}`,
      content: await readFile(join(tree, 'packaging/systemd', unitOf(agent)), 'utf8'),
    },
    { path: settingsOf({ name: agent.kind }), content: environmentFile(environment), mode: 0o600 },
  ];
}

const unitOf = ({ kind }: AgentName): string => `blockyard-${kind}.service`;

/** The agent's environment file on its node. */
export function settingsOf({ name }: Pick<Node, 'name'>): string {
  return `/etc/blockyard/${name}.env`;
}

/** systemd.exec(5): double quotes with backslashes. */
function environmentFile(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}="${value.replaceAll(/["\\\\]/g, '\\\\$&')}"\n`)
    .join('');
}

function common({ host }: AgentName, stack: Readonly<Record<string, string>>): Record<string, string> {
  return {
    NODE_OPTIONS: `--import=${TREE}/lab/inside/keep-compile-cache.ts`,
    BLOCKYARD_QUEUE_PREFIX: stack['BLOCKYARD_QUEUE_PREFIX']!,
    BLOCKYARD_HOST: host,
  };
}

/** What `blockyard agent add` gives to an agent. */
async function credentials(
  agent: AgentName,
  stack: Readonly<Record<string, string>>,
): Promise<Record<string, string>> {
  const [url, prefix, password] = [stack['REDIS_URL']!, stack['BLOCKYARD_QUEUE_PREFIX']!, newPassword()];
  const redis = openRedis(url);
  await putAgentUser(redis, prefix, agent, password);
  redis.disconnect();
  return {
    REDIS_URL: agentRedisUrl(seenFromInside(url), prefix, agent, password),
    BLOCKYARD_AGENT_KEY: agentKeys(stack['BLOCKYARD_SECRET_KEY']!, agentQueue(agent.kind, agent.host)),
  };
}

const { name: VG, thinPool: POOL } = VOLUME_GROUP;
const BACKENDS = `lvm-thin:name=${BACKEND_NAME.thin},vg=${VG},pool=${POOL};lvm:name=${BACKEND_NAME.thick},vg=${VG}`;
const PORTALS = `${STORAGE.addresses[0]}:3260,[${STORAGE.addresses[2]}]:3260`;

function storage(
  stack: Readonly<Record<string, string>>,
  backends: string,
  portals: string,
): Record<string, string> {
  const collector = stack['OTEL_EXPORTER_OTLP_ENDPOINT'];
  return {
    ...(collector === undefined ? {} : tracing(seenFromInside(collector))),
    BLOCKYARD_BACKENDS: backends,
    BLOCKYARD_TARGET: 'lio',
    BLOCKYARD_ISCSI_PORTAL: portals,
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
