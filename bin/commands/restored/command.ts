import { openDatabase } from '#queues/database.ts';
import { createOperationGateway } from '#queues/operations/create-gateway.ts';
import { createQuestions } from '#queues/questions.ts';
import { afterRestore } from '#queues/restored/after-restore.ts';
import type { VolumePlan } from '#queues/restored/plan.ts';
import { createSecrets } from '#queues/secrets.ts';
import { systemClock, systemIds } from '#queues/system.ts';
import {
  DATABASE_SETTINGS,
  databaseUrl,
  REDIS_SETTINGS,
  readSettings,
  redisUrl,
  SETTINGS,
} from '#schema/settings.ts';
import { oneLine, readArgs, runCommand, type Streams } from '../command.ts';

const USAGE = `Usage:
  blockyard restored

After MySQL was restored from a backup, and before any conductor or api is started: asks every host what it has, lets
MySQL follow where hosts have moved on since the backup, and gives operations numbers that agents accept. What was under way
and might remove data, or write over them, ends; what cannot be told is in error. Nothing is changed on hosts.

The agents must be up; Redis may be empty. Run it again when hosts that were silent are back.

  DATABASE_URL, REDIS_URL, BLOCKYARD_SECRET_KEY, BLOCKYARD_QUEUE_PREFIX   as the conductor's

Exit code: 0 all volumes are settled; 1 failed; 2 wrong usage; 3 some are in error, or were left as they are (see the list).
`;

const LEFT = 3;
const HOST_WITHIN_MS = 10_000;

/**
 * `blockyard restored`.
 * @param argv what follows `restored`.
 * @returns the exit code.
 */
export async function restoredCommand(
  argv: readonly string[],
  streams: Streams,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return await runCommand('restored', USAGE, argv, streams, async () => {
    readArgs(argv, [], {});
    const settings = readSettings(
      {
        ...DATABASE_SETTINGS,
        ...REDIS_SETTINGS,
        BLOCKYARD_SECRET_KEY: SETTINGS.BLOCKYARD_SECRET_KEY,
        BLOCKYARD_QUEUE_PREFIX: SETTINGS.BLOCKYARD_QUEUE_PREFIX,
      },
      env,
    );
    await using db = openDatabase(databaseUrl(settings), { connections: 2 });
    const connection = { redisUrl: redisUrl(settings), prefix: settings.BLOCKYARD_QUEUE_PREFIX };
    const gateway = createOperationGateway({ ...connection, db, clock: systemClock, ids: systemIds });
    const questions = createQuestions({ ...connection, ids: systemIds, withinMs: HOST_WITHIN_MS });
    try {
      const plans = await afterRestore({
        db,
        gateway,
        questions,
        secrets: createSecrets(settings.BLOCKYARD_SECRET_KEY),
        clock: systemClock,
        ids: systemIds,
      });
      streams.stdout.write(report(plans));
      return plans.some(({ what }) => what === 'leave' || what === 'doubt') ? LEFT : 0;
    } finally {
      questions.close();
      await gateway.close();
    }
  });
}

function report(plans: readonly VolumePlan[]): string {
  const lines = plans.flatMap((plan): string[] => {
    if (plan.what === 'doubt')
      return [`in error, look at it: volume ${plan.volumeId}: ${oneLine(plan.reason)}`];
    if (plan.what === 'leave') return [`left as it is: volume ${plan.volumeId}: ${oneLine(plan.reason)}`];
    const moved = plan.pool === null ? [] : [`in another pool: volume ${plan.volumeId} is in ${plan.pool}`];
    if (plan.what === 'resume')
      return plan.ends
        ? [...moved, `ended, ask for it again: what was under way for volume ${plan.volumeId}`]
        : moved;
    return [
      ...moved,
      ...plan.found.map(
        ({ host, serverId, mountpoint }) =>
          `attached: volume ${plan.volumeId} to server ${serverId} on ${host} as ${mountpoint ?? 'a disk'}, as found there`,
      ),
      ...plan.gone.map((id) => `not attached any more: volume ${plan.volumeId} (attachment ${id})`),
    ];
  });
  const count = (what: VolumePlan['what']): number => plans.filter((plan) => plan.what === what).length;
  lines.push(
    `${plans.length} volumes: ${count('resume')} as in the backup, ${count('follow')} follow their hosts, ${count('doubt')} in error, ${count('leave')} left as they are`,
    'Start conductors and apis now; then "blockyard drift" shows volumes made or deleted since the backup.',
  );
  return `${lines.join('\n')}\n`;
}
