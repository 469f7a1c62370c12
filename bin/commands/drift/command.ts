import { z } from 'zod';
import { CommandError, readArgs, runCommand, type Streams, UsageError } from '../command.ts';
import { type Endpoint, endpointFrom, get, post } from '../operations/api.ts';
import { driftReply, driftText, repairedReply, repairedText } from './view.ts';

const USAGE = `Usage:
  blockyard drift [--host HOST] [--json] [--url URL]
  blockyard drift --repair ITEM [--delete-data] [--json] [--url URL]
  blockyard drift --all [--host HOST] [--json] [--url URL]

Compares what MySQL says with what is on every host: volumes, snapshots, exports and who is logged in, disks in guests and
in their definitions, and what is left over. For administrators.

  --repair ITEM    mend this one, and look again
  --delete-data    with --repair: what may hold data may be removed
  --all            mend all that can be mended safely: nothing by which data could go, or a guest would notice
  --host HOST      only this host; "mysql" for what MySQL says of itself
  --json           the API's answers as they are
  BLOCKYARD_URL    the API (default http://127.0.0.1:8776); --url wins
  BLOCKYARD_TOKEN  sent as X-Auth-Token

Exit code: 0 no difference (left) and every host answered; 1 failed; 2 wrong usage; 3 differences, or hosts that did not
answer.
`;

const OPTIONS = {
  json: { type: 'boolean', default: false },
  url: { type: 'string' },
  host: { type: 'string' },
  repair: { type: 'string' },
  all: { type: 'boolean', default: false },
  'delete-data': { type: 'boolean', default: false },
} as const;

const DIFFERENCES = 3;
/** MySQL compared with itself. */
const MYSQL = 'mysql';
/** A repair may wait for a guest, and looks twice before and after. */
const REPAIR_MS = 240_000;

type Drift = z.infer<typeof driftReply>;
type Write = (body: unknown, text: string) => void;

/**
 * `blockyard drift …`.
 * @param argv what follows `drift`.
 * @returns the exit code.
 */
export async function driftCommand(
  argv: readonly string[],
  streams: Streams,
  env: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  return await runCommand('drift', USAGE, argv, streams, async () => {
    const { values } = readArgs(argv, [], OPTIONS);
    const { repair, all, host } = values;
    if (all && repair !== undefined) throw new UsageError('--all and --repair exclude each other');
    if (values['delete-data'] && repair === undefined)
      throw new UsageError('--delete-data is only for --repair with the exact ITEM');
    const endpoint = endpointFrom(values.url, env);
    const write: Write = (body, text) =>
      void streams.stdout.write(values.json ? `${JSON.stringify(body, undefined, 2)}\n` : text);
    if (repair !== undefined) {
      return (await mend(endpoint, write, repair, values['delete-data'])) ? 0 : DIFFERENCES;
    }
    let drift = await look(endpoint, host);
    if (all) {
      const safe = drift.differences.filter(({ care }) => care === 'safe');
      for (const { id } of safe) {
        // One that is gone, or cannot be mended, keeps no other from being mended.
        await mend(endpoint, write, id, false).catch((error: Error) =>
          streams.stderr.write(`${id}: ${error.message}\n`),
        );
      }
      if (safe.length > 0) drift = await look(endpoint, host);
    }
    write(drift, driftText(drift));
    return drift.differences.length + drift.unknown.length === 0 ? 0 : DIFFERENCES;
  });
}

async function look(endpoint: Endpoint, host: string | undefined): Promise<Drift> {
  const query = host === undefined ? '' : `?${new URLSearchParams({ host }).toString()}`;
  const drift = understood(driftReply, await get(endpoint, `/drift${query}`, REPAIR_MS));
  // A slip in the name must not look as if all were well.
  if (host !== undefined && host !== MYSQL && drift.hosts.length + drift.unknown.length === 0)
    throw new CommandError(`there is no agent of a host ${host}`);
  return drift;
}

async function mend(endpoint: Endpoint, write: Write, item: string, deleteData: boolean): Promise<boolean> {
  const request = { item, ...(deleteData && { delete_data: true }) };
  const body = await post(endpoint, '/drift/repair', request, REPAIR_MS);
  const answer = understood(repairedReply, body);
  write(body, repairedText(answer));
  return answer.repaired;
}

function understood<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new CommandError(`the API's answer is not Blockyard's: ${z.prettifyError(result.error)}`);
}
