import { z } from 'zod';
import { CommandError, readArgs, runCommand, type Streams } from '../command.ts';
import { endpointFrom, get } from '../operations/api.ts';
import { driftReply, driftText } from './view.ts';

const USAGE = `Usage:
  blockyard drift [--host HOST] [--json] [--url URL]

Compares what MySQL says with what is on every host: volumes, snapshots, exports and who is logged in, disks in guests and
in their definitions, and what is left over. For administrators.

  --host HOST      only this host; "mysql" for what MySQL says of itself
  --json           the API's answer as it is
  BLOCKYARD_URL    the API (default http://127.0.0.1:8776); --url wins
  BLOCKYARD_TOKEN  sent as X-Auth-Token

Exit code: 0 no difference and every host answered; 1 failed; 2 wrong usage; 3 differences, or hosts that did not answer.
`;

const OPTIONS = {
  json: { type: 'boolean', default: false },
  url: { type: 'string' },
  host: { type: 'string' },
} as const;

const DIFFERENCES = 3;

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
    const query =
      values.host === undefined ? '' : `?${new URLSearchParams({ host: values.host }).toString()}`;
    const body = await get(endpointFrom(values.url, env), `/drift${query}`);
    const parsed = driftReply.safeParse(body);
    if (!parsed.success)
      throw new CommandError(`the API's answer is not Blockyard's: ${z.prettifyError(parsed.error)}`);
    streams.stdout.write(values.json ? `${JSON.stringify(body, undefined, 2)}\n` : driftText(parsed.data));
    const { differences, unknown } = parsed.data;
    return differences.length + unknown.length === 0 ? 0 : DIFFERENCES;
  });
}
