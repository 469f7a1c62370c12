import { readFile } from 'node:fs/promises';
import { Queue } from 'bullmq';
import { sql } from 'kysely';
import { systemRunner } from '#agent/run.ts';
import { OPEN_OPERATION_STATES } from '#schema/states.ts';
import type { Rig } from './rig.ts';

const LINES = 60;
const JOB_STATES = ['wait', 'active', 'delayed', 'prioritized'] as const;

/** All that one needs to find out why something has not ended: what MySQL, Redis, the host, the guest and the processes say. */
export async function diagnose(rig: Rig): Promise<string> {
  const parts: readonly [string, () => Promise<string>][] = [
    ['open operations and their steps', () => operations(rig)],
    ['those that ended last', () => ended(rig)],
    ['jobs', () => jobs(rig)],
    ['disks of the guest', () => disks(rig)],
    ['console', async () => lastOf(rig.guest.text.split('\n'), 30)],
    ['processes', () => logs(rig)],
  ];
  const said: string[] = [];
  for (const [title, part] of parts) {
    said.push(`--- ${title}`, await part().catch((error: unknown) => `could not be told: ${String(error)}`));
  }
  return said.join('\n');
}

async function operations({ db }: Rig): Promise<string> {
  const open = await db
    .selectFrom('operations')
    .selectAll()
    .where('state', 'in', [...OPEN_OPERATION_STATES, 'stuck'])
    .orderBy('created_at')
    .execute();
  const lines: string[] = [];
  for (const { id, kind, state, epoch, owner, volume_id, error, created_at } of open) {
    lines.push(
      `${kind} ${id} of volume ${volume_id}: ${state}, epoch ${epoch}, owner ${owner}, since ${created_at}, ${error}`,
    );
    const steps = await db
      .selectFrom('operation_steps')
      .selectAll()
      .where('operation_id', '=', id)
      .orderBy(sql`started_at`)
      .execute();
    for (const step of steps) {
      lines.push(
        `  ${step.direction} ${step.name} on ${step.host}, attempt ${step.attempt}: ${step.state}, ${step.started_at} to ${step.ended_at}, ${step.error}`,
      );
    }
  }
  const busy = await db.selectFrom('volumes').selectAll().where('operation_id', 'is not', null).execute();
  for (const { id, name, status, operation_id } of busy)
    lines.push(`volume ${id} (${name}) is ${status}, held by ${operation_id}`);
  return lines.join('\n');
}

async function ended({ db }: Rig): Promise<string> {
  const last = await db
    .selectFrom('operations')
    .select(['kind', 'volume_id', 'state', 'error', 'created_at', 'ended_at'])
    .where('ended_at', 'is not', null)
    .orderBy('ended_at', 'desc')
    .limit(5)
    .execute();
  return last
    .map(
      ({ kind, volume_id, state, error, created_at, ended_at }) =>
        `${kind} of volume ${volume_id}: ${state}, ${created_at} to ${ended_at}, ${error}`,
    )
    .join('\n');
}

async function jobs(rig: Rig): Promise<string> {
  const lines: string[] = [];
  for (const name of rig.queues) {
    const queue = new Queue(name, { connection: rig.redis, prefix: rig.prefix });
    for (const state of JOB_STATES) {
      for (const job of await queue.getJobs([state])) {
        const lock = await rig.redis.pttl(`${queue.toKey(job.id ?? '')}:lock`);
        lines.push(
          `${name} ${job.name} ${job.id}: ${state}, ${Math.round((Date.now() - job.timestamp) / 1_000)} s old, attempts ${job.attemptsMade}, stalled ${job.stalledCounter}, lock for ${lock} ms, ${job.failedReason ?? ''}`,
        );
      }
    }
    await queue.close();
  }
  return lines.join('\n');
}

async function disks(rig: Rig): Promise<string> {
  const virsh = async (...args: string[]): Promise<string> => {
    const uri = rig.stack.env['BLOCKYARD_LIBVIRT_URI']!;
    return (await systemRunner.run('virsh', ['--quiet', '--connect', uri, ...args], { timeoutMs: 10_000 }))
      .stdout;
  };
  const live = await virsh('domblklist', rig.server);
  const config = await virsh('domblklist', rig.server, '--inactive');
  return `live:\n${live}\npersistent:\n${config}`;
}

async function logs(rig: Rig): Promise<string> {
  const lines = (await readFile(rig.logFile, 'utf8')).split('\n');
  return [...rig.stack.processes.keys()]
    .map((name) =>
      lastOf(
        lines.filter((line) => line.split(' ', 2)[1] === name),
        LINES,
      ),
    )
    .join('\n');
}

function lastOf(lines: readonly string[], count: number): string {
  return lines.slice(-count).join('\n');
}
