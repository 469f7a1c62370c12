import { z } from 'zod';
import { CommandError, readArgs, runCommand, type Streams } from '../command.ts';
import { endpointFrom, get } from '../operations/api.ts';
import { table } from '../table.ts';

const USAGE = `Usage:
  blockyard status [--json] [--url URL]

Shows which services are up, what operations there are, and what waits in the queues. For administrators.

  BLOCKYARD_URL    the API (default http://127.0.0.1:8776); --url wins
  BLOCKYARD_TOKEN  sent as X-Auth-Token
  --json           the API's answer as it is

Exit code: 0 all is well; 1 the API did not answer; 2 wrong usage; 3 a service is down, an operation is stuck, or Redis
is away.
`;

const OPTIONS = { json: { type: 'boolean', default: false }, url: { type: 'string' } } as const;

const reply = z.looseObject({
  status: z.looseObject({
    services: z.array(
      z.looseObject({
        binary: z.string(),
        host: z.string(),
        state: z.string(),
        disabled: z.boolean(),
        version: z.string(),
        last_seen_at: z.string(),
      }),
    ),
    operations: z.record(z.string(), z.int()),
    queues: z
      .array(
        z.looseObject({
          name: z.string(),
          waiting: z.int(),
          delayed: z.int(),
          active: z.int(),
          oldest_at: z.string().nullable(),
        }),
      )
      .nullable(),
  }),
});
type Status = z.infer<typeof reply>['status'];

/**
 * `blockyard status`.
 * @param argv what follows `status`.
 * @returns the exit code.
 */
export async function statusCommand(
  argv: readonly string[],
  streams: Streams,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return await runCommand('status', USAGE, argv, streams, async () => {
    const { values } = readArgs(argv, [], OPTIONS);
    const body = await get(endpointFrom(values.url, env), '/status');
    const parsed = reply.safeParse(body);
    if (!parsed.success) throw new CommandError("the API's answer is not Blockyard's");
    const { status } = parsed.data;
    streams.stdout.write(values.json ? `${JSON.stringify(body, undefined, 2)}\n` : text(status));
    return isWell(status) ? 0 : 3;
  });
}

function isWell({ services, operations, queues }: Status): boolean {
  return services.every(({ state }) => state === 'up') && operations['stuck'] === 0 && queues !== null;
}

function text({ services, operations, queues }: Status): string {
  const states = Object.entries(operations).map(([state, count]) => `${count} ${state}`);
  return [
    table(
      ['SERVICE', 'HOST', 'STATE', 'VERSION', 'LAST SEEN (UTC)'],
      services.map(({ binary, host, state, disabled, version, last_seen_at }) => [
        binary,
        host,
        disabled ? `${state}, disabled` : state,
        version,
        last_seen_at.slice(0, 19).replace('T', ' '),
      ]),
    ),
    `Operations: ${states.join(', ')}\n`,
    queues === null
      ? 'Redis does not answer: what MySQL has is submitted again once it is back.\n'
      : table(
          ['QUEUE', 'WAITING', 'DELAYED', 'ACTIVE', 'OLDEST SINCE (UTC)'],
          queues.map(({ name, waiting, delayed, active, oldest_at }) => [
            name,
            String(waiting),
            String(delayed),
            String(active),
            oldest_at?.slice(11, 23) ?? '',
          ]),
        ),
  ].join('\n');
}
