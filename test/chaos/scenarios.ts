import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { Queue } from 'bullmq';
import { assertNothingLeft } from './inventory.ts';
import type { Rig } from './rig.ts';
import { soak } from './soak.ts';

/** Faults that are no cell of the matrix. */
export const SCENARIOS = {
  'an old job that comes late cannot undo a newer one': async (rig) => {
    const volume = await rig.volume('available');
    rig.stops.arm('agent.effected@export.ensure');
    const call = rig.attach(volume);
    await rig.stops.reached('agent.effected@export.ensure');
    const queue = new Queue(`storage.${rig.stack.env['BLOCKYARD_HOST']}`, {
      connection: rig.redis,
      prefix: rig.stack.env['BLOCKYARD_QUEUE_PREFIX']!,
    });
    const [job] = await queue.getJobs(['active']);
    assert.ok(job !== undefined);
    rig.stops.release();
    await call;
    await ends(rig);
    await rig.detach(volume);
    await ends(rig);
    await queue.add(job.name, job.data, { jobId: 'late' });
    await rig.until('the late job has been refused', async () =>
      ((await queue.getJob('late'))?.failedReason ?? '').startsWith('stale: '),
    );
    await queue.remove('late');
    await queue.close();
    await assertNothingLeft(rig);
  },

  'a restarted target gets its exports back, and the guest keeps its data': async (rig) => {
    const began = performance.now();
    await rig.crashTgtd();
    await assertNothingLeft(rig);
    console.log(`        exports are back after ${((performance.now() - began) / 1_000).toFixed(1)} s`);
    await rig.anchor.verify();
  },

  'the target restarts, and who restores its exports dies': async (rig) => {
    rig.stops.arm('agent.received@export.ensure');
    await rig.crashTgtd();
    await rig.stops.reached('agent.received@export.ensure');
    await Promise.all([rig.kill('conductor'), rig.kill('storage'), rig.redis.flushall()]);
    rig.stops.release();
    const restored = (): Promise<boolean> =>
      assertNothingLeft(rig).then(
        () => true,
        () => false,
      );
    await rig.until('the exports are back', restored);
    await rig.anchor.verify();
  },

  'a conductor that was thought dead comes back and changes nothing': async (rig) => {
    await rig.apiUp();
    const env = { ...process.env, ...rig.stack.env, BLOCKYARD_HOST: 'second' };
    const second = spawn(process.execPath, ['queues/conductor/main.ts'], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    try {
      await once(second.stdout, 'data');
      const place = 'conductor.answered@volume.ensure';
      for (let tries = 1; ; tries++) {
        assert.ok(tries < 50, 'the second conductor got nothing to do');
        rig.stops.arm(place);
        await rig.create('cell');
        const pid = await rig.stops.reached(place);
        if (pid === second.pid) break;
        rig.stops.release();
        await ends(rig);
      }
      second.kill('SIGSTOP');
      const began = performance.now();
      await ends(rig);
      console.log(`        taken over after ${((performance.now() - began) / 1_000).toFixed(1)} s`);
      const operation = await rig.newest();
      rig.stops.release();
      second.kill('SIGCONT');
      // It works again: it takes its turn of the next ones.
      await rig.until('the second conductor reports', async () => {
        const { last_seen_at } = await rig.db
          .selectFrom('services')
          .select('last_seen_at')
          .where('host', '=', 'second')
          .executeTakeFirstOrThrow();
        return last_seen_at > operation!.ended_at!;
      });
      await assertNothingLeft(rig);
      assert.deepEqual(await rig.newest(), operation);
    } finally {
      second.kill('SIGCONT');
      second.kill('SIGKILL');
      await once(second, 'exit');
    }
  },

  'users at work while everything dies at random': async (rig) => {
    await rig.apiUp();
    await soak(rig, { seed: Number(process.env['SEED'] ?? randomInt(2 ** 31)), lastsMs: 20_000 });
  },

  'nothing waits in Redis in the end': async (rig) => {
    for (const name of rig.queues) {
      const queue = new Queue(name, { connection: rig.redis, prefix: rig.prefix });
      await rig.until(`${name} is empty`, async () => {
        const counts = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized');
        return Object.values(counts).every((count) => count === 0);
      });
      await queue.close();
    }
    await assertNothingLeft(rig);
  },
} satisfies Record<string, (rig: Rig) => Promise<void>>;

/** Resolves when the newest operation has ended well. */
async function ends(rig: Rig): Promise<void> {
  await rig.until('the operation ends', async () => (await rig.newest())?.state === 'done');
}
