import { z } from 'zod';
import { CommandError, readArgs, runCommand, type Streams, UsageError } from '../command.ts';
import { endpointFrom, get } from './api.ts';
import { listedReply, listText, shownReply, showText } from './view.ts';

const USAGE = `Usage:
  blockyard operations show ID [--json] [--url URL]
  blockyard operations list [--volume ID] [--state STATE] [--limit N] [--all-projects] [--json] [--url URL]

Shows what was asked for, how far it came and, when it failed, why; the newest first.

  BLOCKYARD_URL    the API (default http://127.0.0.1:8776); --url wins
  BLOCKYARD_TOKEN  sent as X-Auth-Token
  --json           the API's answer as it is
  --all-projects   for administrators

Exit code: 0 done; 1 failed; 2 wrong usage.
`;

const COMMON = { json: { type: 'boolean', default: false }, url: { type: 'string' } } as const;
const LIST = {
  ...COMMON,
  volume: { type: 'string' },
  state: { type: 'string' },
  limit: { type: 'string', default: '50' },
  'all-projects': { type: 'boolean', default: false },
} as const;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * `blockyard operations …`.
 * @param argv what follows `operations`.
 * @returns the exit code.
 */
export async function operationsCommand(
  argv: readonly string[],
  streams: Streams,
  env: Env,
): Promise<number> {
  return await runCommand('operations', USAGE, argv, streams, async () => {
    const [verb, ...rest] = argv;
    if (verb === 'show') streams.stdout.write(await show(rest, env));
    else if (verb === 'list') streams.stdout.write(await list(rest, env));
    else throw new UsageError('expected show or list');
    return 0;
  });
}

async function show(argv: readonly string[], env: Env): Promise<string> {
  const { values, positionals } = readArgs(argv, ['ID'], COMMON);
  const id = encodeURIComponent(positionals[0] ?? '');
  const body = await get(endpointFrom(values.url, env), `/operations/${id}`);
  return values.json ? json(body) : showText(understood(shownReply, body));
}

async function list(argv: readonly string[], env: Env): Promise<string> {
  const { values } = readArgs(argv, [], LIST);
  if (!/^[1-9]\d{0,3}$/.test(values.limit)) throw new UsageError('--limit must be a number from 1 to 9999');
  const query = new URLSearchParams({
    limit: values.limit,
    ...(values.volume !== undefined && { volume_id: values.volume }),
    ...(values.state !== undefined && { state: values.state }),
    ...(values['all-projects'] && { all_tenants: '1' }),
  });
  const body = await get(endpointFrom(values.url, env), `/operations?${query.toString()}`);
  return values.json ? json(body) : listText(understood(listedReply, body));
}

function understood<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new CommandError(`the API's answer is not Blockyard's: ${z.prettifyError(result.error)}`);
}

function json(body: unknown): string {
  return `${JSON.stringify(body, undefined, 2)}\n`;
}
