import { bootstrapIdentity } from '#api/identity/bootstrap.ts';
import { createBuiltinIdentity } from '#api/identity/builtin/service.ts';
import { openDatabase } from '#queues/database.ts';
import { migrate } from '#queues/migrate.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { registerAtKeystone } from './keystone-account.ts';
import { startKeystone } from './servers/keystone.ts';

/** What somebody logs in with. */
export interface Login {
  readonly user: string;
  readonly password: string;
  readonly project: string;
  /** Of the user and of the project, by name. */
  readonly domain: string;
}

/** What the api's processes are told of it besides, and what ends with the stack. */
export interface Identity {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

const REGION = 'blockyard';

/**
 * Makes sure that the administrator can log in where `BLOCKYARD_AUTH` says; a Keystone that nobody names is started in `dir`.
 */
export async function startIdentity(
  dir: string,
  env: Readonly<Record<string, string>>,
  admin: Login,
  projectId: string,
): Promise<Identity> {
  const mode = env['BLOCKYARD_AUTH'];
  if (mode === 'builtin') await bootstrap(env, admin, projectId);
  if (mode !== 'keystone' || env['BLOCKYARD_KEYSTONE_URL'] !== undefined)
    return { env: {}, stop: () => Promise.resolve() };
  const keystone = await startKeystone({
    dir,
    password: admin.password,
    region: REGION,
    databaseUrl: env['DATABASE_URL'] ?? '',
  });
  try {
    const { url } = keystone;
    const servicePassword = `service-${admin.password}`;
    const apiUrl = `http://${env['BLOCKYARD_LISTEN']}`;
    await registerAtKeystone({ url, admin, servicePassword, apiUrl, region: REGION });
    const told = { BLOCKYARD_KEYSTONE_URL: url, BLOCKYARD_KEYSTONE_PASSWORD: servicePassword };
    return { env: told, stop: () => keystone.stop() };
  } catch (error) {
    await keystone.stop();
    throw error;
  }
}

/** `blockyard identity bootstrap`, with a project's id that is known. */
async function bootstrap(
  env: Readonly<Record<string, string>>,
  admin: Login,
  projectId: string,
): Promise<void> {
  const db = openDatabase(env['DATABASE_URL'] ?? '', { connections: 1 });
  try {
    await migrate(db);
    const masterKeys = env['BLOCKYARD_SECRET_KEY'] ?? '';
    const identity = createBuiltinIdentity({ db, clock: systemClock, masterKeys });
    await bootstrapIdentity({ identity, ids: systemIds }, { ...admin, projectId });
  } finally {
    await db.destroy();
  }
}
