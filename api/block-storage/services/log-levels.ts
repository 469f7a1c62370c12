/** Cinder's get-log and set-log: how much each service logs. */
import { hostname } from 'node:os';
import type { App, RequestContext } from '#api/http/context.ts';
import { invalidInput } from '#api/http/errors.ts';
import type { Reply } from '#api/http/route.ts';
import { Unanswered } from '#queues/questions.ts';
import { CINDER_BINARIES, ourBinary } from '#schema/services.ts';
import { LOG_LEVELS, type LogLevel, logLevels } from '#telemetry/log-levels.ts';
import type { ServiceRow } from './find.ts';
import { isUp } from './handlers.ts';

export interface Wanted {
  readonly binary?: string | null | undefined;
  readonly server?: string | null | undefined;
  readonly prefix?: string | null | undefined;
}

const API = 'cinder-api';

/** The process that backups and volumes of a host are the work of is one. */
const QUESTIONS = {
  'blockyard-storage': 'storage.log-levels',
  'blockyard-backup': 'storage.log-levels',
  'blockyard-compute': 'compute.log-levels',
  'blockyard-conductor': 'conductor.log-levels',
} as const;

/** Services that are up; one that does not answer is left out. This api speaks for itself alone. */
export async function getLogLevels(context: RequestContext, wanted: Wanted): Promise<Reply> {
  const prefix = wanted.prefix ?? '';
  const services = await servicesFor(context, wanted);
  const told = await askAll(context.app, services, prefix, null);
  const own = { host: hostname(), binary: API, levels: logLevels(prefix) };
  const others = services.flatMap((row) => {
    const levels = told.get(processOf(row));
    return levels === undefined ? [] : [{ host: row.host, binary: CINDER_BINARIES[row.binary], levels }];
  });
  return { status: 200, body: { log_levels: [...(meansApi(wanted) ? [own] : []), ...others] } };
}

export async function changeLogLevels(
  context: RequestContext,
  wanted: Wanted & { readonly level?: string | null | undefined },
): Promise<Reply> {
  const level = LOG_LEVELS.find((known) => known === wanted.level?.toUpperCase());
  if (level === undefined)
    throw invalidInput(`${(wanted.level ?? '').slice(0, 100).toWellFormed()} is not a valid log level.`);
  const prefix = wanted.prefix ?? '';
  if (isAll(wanted) || wanted.binary === API) {
    const host = wanted.server ?? '';
    await context.app.questions.setApiLogLevels({ prefix, level, host: host === '' ? null : host });
  }
  await askAll(context.app, await servicesFor(context, wanted), prefix, level);
  return { status: 202 };
}

const isAll = ({ binary }: Wanted): boolean => binary == null || binary === '' || binary === '*';

function meansApi(wanted: Wanted): boolean {
  const { server } = wanted;
  return (
    (isAll(wanted) || wanted.binary === API) && (server == null || server === '' || server === hostname())
  );
}

async function servicesFor({ app }: RequestContext, wanted: Wanted): Promise<ServiceRow[]> {
  const { server } = wanted;
  const rows = await app.db.selectFrom('services').selectAll().orderBy('id').execute();
  return rows.filter(
    (row) =>
      isUp(row, app.clock) &&
      (isAll(wanted) || row.binary === ourBinary(wanted.binary ?? '')) &&
      (server == null || server === '' || row.host === server || row.agent === server),
  );
}

const processOf = (row: ServiceRow): string => `${QUESTIONS[row.binary]} ${row.agent}`;

/** Each process is asked once, whatever services it has. */
async function askAll(
  { questions }: App,
  services: readonly ServiceRow[],
  prefix: string,
  level: LogLevel | null,
): Promise<ReadonlyMap<string, Record<string, string>>> {
  const processes = new Map(services.map((row) => [processOf(row), row]));
  const answers = await Promise.all(
    [...processes].map(async ([key, row]) => {
      try {
        return [key, await questions.ask(row.agent, QUESTIONS[row.binary], { prefix, level })] as const;
      } catch (error) {
        if (error instanceof Unanswered) return null;
        throw error;
      }
    }),
  );
  return new Map(answers.filter((answer) => answer !== null));
}
