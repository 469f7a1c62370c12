import { setTimeout as sleep } from 'node:timers/promises';
import { isUuid } from '#schema/ids.ts';
import { CommandError, readArgs, runCommand, type Streams, UsageError } from '../command.ts';
import { endpointFrom, get, post } from '../operations/api.ts';
import { listedReply, shownReply, showText } from '../operations/view.ts';

const USAGE = `Usage:
  blockyard force-detach VOLUME [--attachment ID] [--url URL]

Takes a volume from a hypervisor that is down. Its target shuts that host out and proves that no session is left; then the
volume is free. When the host is back it is cleared of the disk: a guest that keeps it is switched off and on again
without it. Refused while the host is up: then the guest can be asked (openstack server remove volume).

  --attachment     which, when the volume has several
  BLOCKYARD_URL    the API (default http://127.0.0.1:8776); --url wins
  BLOCKYARD_TOKEN  an administrator's; sent as X-Auth-Token

Exit code: 0 the volume is free; 1 it is not (yet: it waits for its storage host); 2 wrong usage.
`;

const OPTIONS = { attachment: { type: 'string' }, url: { type: 'string' } } as const;
const LOOK_MS = 250;
/** The target has twenty seconds to end a session, a few times. */
const PATIENCE_MS = 120_000;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * `blockyard force-detach …`.
 * @param argv what follows `force-detach`.
 * @returns the exit code.
 */
export async function forceDetachCommand(
  argv: readonly string[],
  { stdout, stderr }: Streams,
  env: Env,
): Promise<number> {
  return await runCommand('force-detach', USAGE, argv, { stdout, stderr }, async () => {
    const { values, positionals } = readArgs(argv, ['VOLUME'], OPTIONS);
    const volume = checked(positionals[0] ?? '', 'VOLUME');
    const attachment =
      values.attachment === undefined ? {} : { attachment_id: checked(values.attachment, '--attachment') };
    const endpoint = endpointFrom(values.url, env);
    await post(endpoint, `/volumes/${volume}/action`, { 'os-force_detach': attachment });
    const id = await newest(endpoint, volume);
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const shown = shownReply.parse(await get(endpoint, `/operations/${id}`));
      const { state, waiting } = shown.operation;
      const ended = ['done', 'undone', 'stuck'].includes(state);
      if (ended || waiting !== null || performance.now() > deadline) {
        stdout.write(showText(shown));
        return state === 'done' ? 0 : 1;
      }
      await sleep(LOOK_MS);
    }
  });
}

function checked(id: string, what: string): string {
  if (!isUuid(id)) throw new UsageError(`${what} is not a UUID`);
  return id.toLowerCase();
}

async function newest(endpoint: ReturnType<typeof endpointFrom>, volume: string): Promise<string> {
  const query = new URLSearchParams({ volume_id: volume, all_tenants: '1' });
  const { operations } = listedReply.parse(await get(endpoint, `/operations?${query.toString()}`));
  const found = operations.find(({ kind }) => kind === 'volume.force-detach');
  if (found === undefined) throw new CommandError('the API knows no operation of that kind');
  return found.id;
}
