import { bootstrapIdentity } from '#api/identity/bootstrap.ts';
import { createBuiltinIdentity } from '#api/identity/builtin/service.ts';
import { openDatabase } from '#queues/database.ts';
import { migrate } from '#queues/migrate.ts';
import { systemClock, systemIds } from '#queues/system.ts';

/** What somebody logs in with. */
export interface Login {
  readonly user: string;
  readonly password: string;
  readonly project: string;
  /** Of the user and of the project, by name. */
  readonly domain: string;
}

/** `blockyard identity bootstrap`, with a project's id that is known. */
export async function bootstrap(
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
