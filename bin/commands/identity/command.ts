import { readFileSync } from 'node:fs';
import { bootstrapIdentity } from '#api/identity/bootstrap.ts';
import { createBuiltinIdentity } from '#api/identity/builtin/service.ts';
import { openDatabase } from '#queues/database.ts';
import { migrate } from '#queues/migrate.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import { DATABASE_SETTINGS, databaseUrl, readSettings, SETTINGS } from '#schema/settings.ts';
import { CommandError, readArgs, runCommand, type Streams, UsageError } from '../command.ts';

const USAGE = `Usage:
  blockyard identity bootstrap [--user NAME] [--project NAME]

Makes sure that the built-in identity service (BLOCKYARD_AUTH=builtin) has the domain Default, the roles admin, member, reader
and service, and a user who administers everything (default: admin, in the project admin). Run it again when the password was
lost: the user gets the new one, is enabled and no longer locked out, and all older tokens of that user end.

The password is the variable BLOCKYARD_ADMIN_PASSWORD, or else the first line of standard input; at least 8 characters.

Run it where an api runs, with its settings:
  DATABASE_URL          (BLOCKYARD_DATABASE_CA, _CERT and _KEY for TLS)
  BLOCKYARD_SECRET_KEY

Exit code: 0 done; 1 failed; 2 wrong usage.
`;

type Env = Readonly<Record<string, string | undefined>>;

const MIN_LENGTH = 8;

/**
 * `blockyard identity …`.
 * @param argv what follows `identity`.
 * @param readInput all of standard input.
 * @returns the exit code.
 */
export async function identityCommand(
  argv: readonly string[],
  streams: Streams,
  env: Env,
  readInput: () => string = () => readFileSync(0, 'utf8'),
): Promise<number> {
  return await runCommand('identity', USAGE, argv, streams, async () => {
    const [verb, ...rest] = argv;
    if (verb !== 'bootstrap') throw new UsageError('expected bootstrap');
    const { values } = readArgs(rest, [], {
      user: { type: 'string', default: 'admin' },
      project: { type: 'string', default: 'admin' },
    });
    const { user, project } = values;
    if (user.trim() === '' || project.trim() === '') throw new UsageError('a name is empty');
    const password = env['BLOCKYARD_ADMIN_PASSWORD'] ?? readInput().split('\n', 1)[0] ?? '';
    if (password.length < MIN_LENGTH)
      throw new CommandError(`the password must have at least ${MIN_LENGTH} characters`);
    const made = await bootstrap(env, { user: user.trim(), project: project.trim(), password });
    streams.stdout.write(
      `user ${user.trim()} (${made.userId}) administers project ${project.trim()} (${made.projectId}) and the system\n`,
    );
    return 0;
  });
}

async function bootstrap(
  env: Env,
  wanted: { readonly user: string; readonly project: string; readonly password: string },
) {
  const shape = { ...DATABASE_SETTINGS, BLOCKYARD_SECRET_KEY: SETTINGS.BLOCKYARD_SECRET_KEY };
  const settings = readSettings(shape, env);
  const db = openDatabase(databaseUrl(settings), { connections: 1 });
  try {
    await migrate(db);
    const identity = createBuiltinIdentity({
      db,
      clock: systemClock,
      masterKeys: settings.BLOCKYARD_SECRET_KEY,
    });
    return await bootstrapIdentity({ identity, ids: systemIds }, wanted);
  } finally {
    await db.destroy();
  }
}
