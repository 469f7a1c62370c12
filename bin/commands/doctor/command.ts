import { styleText } from 'node:util';
import { z } from 'zod';
import { systemRunner } from '#agent/run.ts';
import { DATABASE_SETTINGS, databaseUrl, REDIS_SETTINGS, redisUrl } from '#schema/settings.ts';
import { oneLine, readArgs, runCommand, type Streams } from '../command.ts';
import { type Finding, type Part, works } from './check.ts';
import { hypervisorPart, initiatorPart, processorPart } from './compute.ts';
import { type Machine, machineAt } from './machine.ts';
import { databasePart, queuePart } from './servers.ts';
import { targetPart, volumesPart, warningsPart } from './storage.ts';

const USAGE = `Usage: blockyard doctor

Says which of the parts that Blockyard builds on this machine has, and what to install for the rest.
Each part needs one of its lines. Redis and the database are asked for their settings when REDIS_URL and
DATABASE_URL are set, libvirt at BLOCKYARD_LIBVIRT_URI (default qemu:///system).

Exit code: 0 this machine can be a storage host or a hypervisor; 1 it can be neither; 2 wrong usage.
`;

const TRY_LVM = `To try LVM without a spare disk (as root):
  truncate --size 20G /var/tmp/blockyard.img
  vgcreate blockyard "$(losetup --find --show /var/tmp/blockyard.img)"
  lvcreate --type thin-pool --size 19G --name pool blockyard
  export BLOCKYARD_BACKENDS=lvm-thin:name=thin,vg=blockyard,pool=pool
`;

type Env = Readonly<Record<string, string | undefined>>;

/**
 * `blockyard doctor`.
 * @param machine what is looked at; default: this one.
 * @returns the exit code.
 */
export async function doctorCommand(
  argv: readonly string[],
  streams: Streams,
  env: Env,
  machine: Machine = machineAt('/', systemRunner),
): Promise<number> {
  return await runCommand('doctor', USAGE, argv, streams, async () => {
    readArgs(argv, [], {});
    const { stdout } = streams;
    const parts = await examine(machine, env);
    const all = [...Object.values(parts), warningsPart(machine, env['BLOCKYARD_IQN_PREFIX'] || undefined)];
    for (const part of all) if (part.findings.length > 0) stdout.write(text(part, stdout));
    const storage = works(parts.volumes) && works(parts.target);
    const compute = works(parts.initiator) && works(parts.hypervisor) && works(parts.processor);
    stdout.write(
      `\nThis machine can ${storage ? '' : 'not '}be a storage host, and can ${compute ? '' : 'not '}be a hypervisor.\n`,
    );
    stdout.write(`\n${TRY_LVM}`);
    return storage || compute ? 0 : 1;
  });
}

/** With the TLS files, where it is a URL at all. */
function redisFrom(env: Env): string | undefined {
  const text = env['REDIS_URL'] || undefined;
  const settings = z.object(REDIS_SETTINGS).safeParse(env);
  return settings.success ? redisUrl(settings.data) : text;
}
function databaseFrom(env: Env): string | undefined {
  const text = env['DATABASE_URL'] || undefined;
  const settings = z.object(DATABASE_SETTINGS).safeParse(env);
  return settings.success ? databaseUrl(settings.data) : text;
}

async function examine(machine: Machine, env: Env) {
  return {
    volumes: volumesPart(machine),
    target: targetPart(machine),
    initiator: initiatorPart(machine),
    hypervisor: await hypervisorPart(machine, env['BLOCKYARD_LIBVIRT_URI'] || undefined),
    processor: processorPart(machine),
    queue: await queuePart(machine, redisFrom(env)),
    database: await databasePart(machine, databaseFrom(env)),
  };
}

const COLOURS = { yes: 'green', care: 'yellow', no: 'red' } as const;

function text({ title, findings }: Part, stream: NodeJS.WritableStream): string {
  return `${title}\n${findings.map((finding) => findingText(finding, stream)).join('')}`;
}

function findingText({ name, state, detail, remedy }: Finding, stream: NodeJS.WritableStream): string {
  const word = styleText(COLOURS[state], state.padEnd(4), { stream });
  const first = `  ${word}  ${name.padEnd(16)}  ${oneLine(detail)}\n`;
  return remedy === undefined ? first : `${first}${' '.repeat(26)}→ ${remedy}\n`;
}
