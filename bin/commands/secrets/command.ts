import { randomBytes } from 'node:crypto';
import { openDatabase } from '#queues/database.ts';
import { rotateSecrets } from '#queues/rotate-secrets.ts';
import { createSecrets } from '#queues/secrets.ts';
import { DATABASE_SETTINGS, databaseUrl, readSettings, SETTINGS } from '#schema/settings.ts';
import { CommandError, readArgs, runCommand, type Streams, UsageError } from '../command.ts';

const USAGE = `Usage:
  blockyard secrets key
  blockyard secrets rotate

key     prints a new random key.
rotate  encrypts every secret in MySQL anew with the first key of BLOCKYARD_SECRET_KEY. Everything may go on meanwhile; it
        may be interrupted and run again. Afterwards no row needs the other keys. docs/security.md has the whole procedure.

Run rotate where a conductor runs, with its settings:
  DATABASE_URL          (BLOCKYARD_DATABASE_CA, _CERT and _KEY for TLS)
  BLOCKYARD_SECRET_KEY  the new key, a comma, the old one

Exit code: 0 done; 1 failed, or some secret could not be opened; 2 wrong usage.
`;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * `blockyard secrets …`.
 * @param argv what follows `secrets`.
 * @returns the exit code.
 */
export async function secretsCommand(argv: readonly string[], streams: Streams, env: Env): Promise<number> {
  return await runCommand('secrets', USAGE, argv, streams, async () => {
    const [verb, ...rest] = argv;
    readArgs(rest, [], {});
    if (verb === 'key') streams.stdout.write(`${randomBytes(32).toString('hex')}\n`);
    else if (verb === 'rotate') await rotate(streams, env);
    else throw new UsageError('expected key or rotate');
    return 0;
  });
}

async function rotate({ stdout }: Streams, env: Env): Promise<void> {
  const shape = { ...DATABASE_SETTINGS, BLOCKYARD_SECRET_KEY: SETTINGS.BLOCKYARD_SECRET_KEY };
  const settings = readSettings(shape, env);
  const db = openDatabase(databaseUrl(settings), { connections: 1 });
  try {
    const { rotated, current, unreadable } = await rotateSecrets(
      db,
      createSecrets(settings.BLOCKYARD_SECRET_KEY),
    );
    stdout.write(`${rotated} secrets encrypted anew, ${current} had the first key already.\n`);
    if (unreadable.length > 0)
      throw new CommandError(
        `none of the keys opens ${unreadable.length} secrets, of volumes ${unreadable.slice(0, 10).join(', ')}`,
      );
  } finally {
    await db.destroy();
  }
}
