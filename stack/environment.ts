import { createHmac } from 'node:crypto';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { agentQueue } from '#queues/names.ts';
import { openRedis } from '#queues/redis.ts';
import { agentRedisUrl, newPassword, putAgentUser } from '#queues/redis-users.ts';
import { agentKeys } from '#queues/secrets.ts';
import type { HostName } from '#schema/ids.ts';
import type { AgentKind } from '#schema/tasks.ts';
import { type Login, startIdentity } from './identity.ts';
import { type RunningProcfile, startProcfile } from './procfile.ts';
import { answers } from './readiness.ts';
import { claimRunDir } from './run-dir.ts';
import { loadState, type StackState, saveState } from './secrets.ts';
import { type Servers, startServers } from './servers/all.ts';
import { killGuests } from './servers/libvirt.ts';
import { freePort } from './servers/port.ts';

export interface StackOptions {
  /** Everything of this stack is in here; made when missing. The same folder can be started again. */
  readonly runDir: string;
  /** Each line that the processes print, and what the supervisor does. */
  readonly log: (name: string, line: string) => void;
  /** Empties `runDir` first. */
  readonly fresh?: boolean;
  /** Port of the API that is taken if free. Default: any free one. */
  readonly port?: number;
  /** Default `tokens`. */
  readonly auth?: 'none' | 'tokens' | 'builtin' | 'keystone';
  /** Default `tgt`. */
  readonly target?: 'tgt' | 'none';
  /** Default `libvirt`. */
  readonly hypervisor?: 'libvirt' | 'noop';
  /** More environment variables for the processes; they win over what the stack would set. */
  readonly env?: Readonly<Record<string, string>>;
  /** Processes of the Procfile to start. Default: all. */
  readonly only?: readonly string[];
  /** Default: `Procfile`. */
  readonly procfile?: string;
  /** Resolves when the started stack can be used. Default: the API answers. */
  readonly ready?: (stack: Stack) => Promise<void>;
}

/** Servers and processes, running. */
export interface Stack extends AsyncDisposable {
  /** When its processes were started. */
  readonly since: Date;
  /** Where its files are: short enough for Unix sockets, and possibly a symbolic link to the folder asked for. */
  readonly runDir: string;
  /** Without a slash at the end. */
  readonly apiUrl: string;
  /** What the API's process got; what tools and tests connect with. */
  readonly env: Readonly<Record<string, string>>;
  /** `X-Auth-Token` of an admin; it's in the tokens file only, so it means nothing with `auth: 'none'`. */
  readonly adminToken: string;
  /** The project that the admin's token belongs to. */
  readonly project: string;
  /** Who can log in with `auth: 'builtin'` (the project is the same) or `'keystone'`. */
  readonly admin: Login;
  /** Where: the root of Keystone's API v3, the api's own unless there is a Keystone. */
  readonly identityUrl: string;
  readonly processes: RunningProcfile['processes'];
  readonly servers: Servers;
  /** Ends processes, guests and servers. Data stays in the run directory. */
  stop(): Promise<void>;
}

const PROJECT = 'b10c0000000000000000000000000001';
const CACHE = resolve('.data/cache');

/** What agents are not given: a hypervisor holds no password of the database and no one's token. */
const NOT_FOR_AGENTS = [
  'DATABASE_URL',
  'BLOCKYARD_TOKENS_FILE',
  'BLOCKYARD_SECRET_KEY',
  'BLOCKYARD_KEYSTONE_PASSWORD',
];

/**
 * Starts everything on this machine. Servers that `DATABASE_URL`, `REDIS_URL`, `BLOCKYARD_LIBVIRT_URI` or
 * `BLOCKYARD_TGT_SOCKET` (with `BLOCKYARD_ISCSI_PORTAL`) name are used as they are; the others are private ones.
 * @throws Error when a server or process does not come up; what had started is ended before.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const claimed = await claimRunDir(options.runDir);
  const runDir = claimed.path;
  const undo: (() => Promise<unknown>)[] = [() => claimed.release()];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).toReversed()) await step();
  };
  try {
    if (options.fresh === true) await emptyRunDir(runDir);
    const state = await loadState(runDir);
    const servers = await startServers({
      runDir,
      state,
      cacheDir: CACHE,
      tgt: options.target !== 'none',
      libvirt: options.hypervisor !== 'noop',
    });
    undo.push(() => servers.stop());
    await saveState(runDir, { ...state, iscsiPort: servers.iscsiPort });
    const withoutIdentity = await environment(options, runDir, state, servers);
    const admin: Login = { user: 'admin', password: state.adminToken, project: 'admin', domain: 'Default' };
    const identity = await startIdentity(join(runDir, 'keystone'), withoutIdentity, admin, PROJECT);
    undo.push(() => identity.stop());
    const env = { ...withoutIdentity, ...identity.env };
    const agents = {
      storage: await agentEnv('storage', env, servers),
      compute: await agentEnv('compute', env, servers),
    };
    const since = new Date();
    const procfile = await startProcfile({
      file: options.procfile ?? 'Procfile',
      env: (name) =>
        environmentOf(name === 'storage' || name === 'compute' ? { ...env, ...agents[name] } : env, name),
      ...(options.only === undefined ? {} : { only: options.only }),
      log: options.log,
    });
    undo.push(() => procfile.stop());
    const stack: Stack = {
      since,
      runDir,
      apiUrl: `http://${env['BLOCKYARD_LISTEN']}`,
      env,
      adminToken: state.adminToken,
      project: PROJECT,
      admin,
      identityUrl: env['BLOCKYARD_KEYSTONE_URL'] ?? `http://${env['BLOCKYARD_LISTEN']}/identity/v3`,
      processes: procfile.processes,
      servers,
      stop,
      [Symbol.asyncDispose]: stop,
    };
    await (options.ready ?? answers)(stack);
    return stack;
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Also ends the guests that a killed stack has left. */
async function emptyRunDir(runDir: string): Promise<void> {
  await killGuests(join(runDir, 'libvirt'));
  for (const name of await readdir(runDir)) await rm(join(runDir, name), { recursive: true, force: true });
}

async function environment(
  options: StackOptions,
  runDir: string,
  state: StackState,
  servers: Servers,
): Promise<Record<string, string>> {
  const tokensFile = join(runDir, 'tokens.json');
  const admin = { token: state.adminToken, project_id: PROJECT, user_id: 'admin', roles: ['admin'] };
  await writeFile(tokensFile, `${JSON.stringify([admin], undefined, 2)}\n`, { mode: 0o600 });
  const volumes = join(runDir, 'volumes');
  await mkdir(volumes, { recursive: true });
  const backups = options.env?.['BLOCKYARD_BACKUP_REPOSITORY'] ?? join(runDir, 'backups');
  if (backups.startsWith('/')) await mkdir(backups, { recursive: true });
  const given = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => name.startsWith('BLOCKYARD_')),
  );
  const listen = `127.0.0.1:${await freePort(options.port)}`;
  return {
    BLOCKYARD_LISTEN: listen,
    BLOCKYARD_IMAGE_URL: `http://${listen}/image`,
    BLOCKYARD_AUTH: options.auth ?? 'tokens',
    BLOCKYARD_TOKENS_FILE: tokensFile,
    BLOCKYARD_SECRET_KEY: state.secretKey,
    BLOCKYARD_HOST: hostname(),
    BLOCKYARD_QUEUE_PREFIX: 'blockyard',
    BLOCKYARD_STATE_DIR: join(runDir, 'state'),
    BLOCKYARD_BACKENDS: `file:name=files,path=${volumes}`,
    BLOCKYARD_BACKUP_REPOSITORY: backups,
    BLOCKYARD_BACKUP_PASSWORD: createHmac('sha256', state.secretKey).update('backups').digest('hex'),
    // Read also where nothing is exported.
    BLOCKYARD_ISCSI_PORTAL: '127.0.0.1:3260',
    BLOCKYARD_TARGET: options.target ?? 'tgt',
    BLOCKYARD_HYPERVISOR: options.hypervisor ?? 'libvirt',
    BLOCKYARD_INITIATOR_NAME: state.initiatorName,
    ...given,
    ...servers.env,
    ...options.env,
  };
}

/** What `blockyard agent add` gives to an agent; a Redis that isn't ours is reached as its URL says. */
async function agentEnv(
  kind: AgentKind,
  env: Readonly<Record<string, string>>,
  servers: Servers,
): Promise<Record<string, string>> {
  const host = env['BLOCKYARD_HOST'] as HostName;
  const own = { BLOCKYARD_AGENT_KEY: agentKeys(env['BLOCKYARD_SECRET_KEY']!, agentQueue(kind, host)) };
  const url = env['REDIS_URL'];
  if (servers.redis === undefined || url !== servers.redis.url) return own;
  const [prefix, password] = [env['BLOCKYARD_QUEUE_PREFIX']!, newPassword()];
  const redis = openRedis(url);
  await putAgentUser(redis, prefix, { kind, host }, password);
  redis.disconnect();
  return { ...own, REDIS_URL: agentRedisUrl(url, prefix, { kind, host }, password) };
}

function environmentOf(
  env: Readonly<Record<string, string>>,
  name: string,
): Record<string, string | undefined> {
  const isAgent = name === 'storage' || name === 'compute';
  const hidden = isAgent ? NOT_FOR_AGENTS : [];
  const all: Record<string, string | undefined> = {
    ...process.env,
    NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? join(CACHE, 'node'),
    ...env,
    // The Procfile says "node" and means the one that runs this.
    PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
  };
  for (const secret of hidden) delete all[secret];
  return all;
}
