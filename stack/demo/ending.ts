import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { relative } from 'node:path';
import { openRedis } from '#queues/redis.ts';
import type { Stack } from '../environment.ts';
import { expect } from './expect.ts';
import { secrets, targets, virsh } from './host.ts';
import { ownProcesses, type ProcessFacts, survivors } from './processes.ts';
import type { Step } from './report.ts';
import { type Scene, volumesFolder } from './scene.ts';
import { type RunningGuest, removeGuest } from './steps/guest.ts';

/** Takes away what the walk has left, in the order a user would, and looks for anything forgotten. */
export async function takeAway(scene: Scene, step: Step, guest: RunningGuest): Promise<void> {
  const { client, made, stack } = scene;
  await client.call(step, 'DELETE', `/v3/qos-specs/${made.qosId}?force=true`);
  delete made.qosId;
  await client.call(step, 'DELETE', `/v3/types/${made.typeId}`);
  delete made.typeId;
  await removeGuest(scene, step, guest);
  const { env, servers } = stack;
  const ours = servers.libvirt === undefined ? (id: string) => id === guest.id : (id: string) => id !== '';
  expect(
    'domains',
    (await virsh(env, 'list', '--all', '--uuid'))
      .split('\n')
      .map((id) => id.trim())
      .filter(ours),
    [],
  );
  if (servers.libvirt !== undefined) expect('libvirt secrets', await secrets(env), []);
  if (servers.tgtd !== undefined) expect('targets', await targets(env), []);
  // The agent's own mark begins with a dot.
  const files = (await readdir(volumesFolder(stack))).filter((name) => !name.startsWith('.'));
  expect('files of volumes', files, []);
  step.saw('no domain, no libvirt secret, no target, no file of a volume');
}

/**
 * Ends everything that was started, and counts what remains of it.
 * @param before processes of the walk that may have ended since.
 */
export async function stopStack(
  stack: Stack,
  step: Step,
  runDir: string,
  before: readonly ProcessFacts[],
): Promise<void> {
  const all = new Map([...before, ...ownProcesses()].map((each) => [`${each.pid} ${each.began}`, each]));
  const processes = [...all.values()];
  await endStack(stack, runDir);
  const left = (await survivors(processes)).map(({ name, pid }) => `${name} (${pid})`);
  expect('processes that still run', left, []);
  step.saw(`no process: ${processes.length} have ended (${namesOf(processes)})`);
  expect('the run directory is there', existsSync(runDir) || existsSync(stack.runDir), false);
  step.saw(`no file: ${relative('.', runDir)} is gone`);
}

/** The same without a word. */
export async function endStack(stack: Stack, runDir: string): Promise<void> {
  await stack.stop();
  if (stack.servers.redis === undefined) await forgetQueues(stack);
  await rm(runDir, { recursive: true, force: true });
}

/** Our keys in a Redis that others use too; all of them have the demo's own prefix. */
async function forgetQueues({ env }: Stack): Promise<void> {
  const redis = openRedis(env['REDIS_URL'] ?? '');
  try {
    for await (const keys of redis.scanStream({ match: `${env['BLOCKYARD_QUEUE_PREFIX']}:*` }))
      if (keys.length > 0) await redis.unlink(...(keys as string[]));
  } finally {
    redis.disconnect();
  }
}

function namesOf(processes: readonly ProcessFacts[]): string {
  const counts = new Map<string, number>();
  for (const { name } of processes) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].map(([name, count]) => (count === 1 ? name : `${count} ${name}`)).join(', ');
}

const PATIENCE_MS = 5_000;

/** After a failed walk: takes its things off servers that go on without us. What can't be had is left. */
export async function tidy({ client, made, stack: { env } }: Scene): Promise<void> {
  const { volumeId, domain, qosId, typeId } = made;
  const attempt = async (...work: (() => Promise<unknown>)[]): Promise<void> => {
    for (const each of work) await each().catch(() => undefined);
  };
  if (volumeId !== undefined && domain !== undefined)
    await attempt(
      () => client.ask('DELETE', `/compute/v2.1/servers/${domain}/os-volume_attachments/${volumeId}`),
      () => client.volumeIs(volumeId, 'available', { deadlineMs: PATIENCE_MS }),
    );
  if (domain !== undefined)
    await attempt(
      () => virsh(env, 'destroy', domain),
      () => virsh(env, 'undefine', domain),
    );
  if (volumeId !== undefined)
    await attempt(
      () => client.ask('DELETE', `/v3/volumes/${volumeId}`),
      () =>
        client.until('404', `/v3/volumes/${volumeId}`, ({ status }) => status === 404, {
          deadlineMs: PATIENCE_MS,
        }),
    );
  if (qosId !== undefined) await attempt(() => client.ask('DELETE', `/v3/qos-specs/${qosId}?force=true`));
  if (typeId !== undefined) await attempt(() => client.ask('DELETE', `/v3/types/${typeId}`));
}
