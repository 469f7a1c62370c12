import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { watchLosses } from '#compute-agent/disks/replug.ts';
import { ServerTurns } from '#compute-agent/recovery/server-turns.ts';

const GUESTS = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);

describe('looking for lost disks', () => {
  // virsh is none: a real one hangs for a minute, and in no order.
  it('keeps no task of a guest waiting that is not being looked at yet', async () => {
    const turns = new ServerTurns();
    const hangs = Promise.withResolvers<never>();
    const looked: string[] = [];
    const run = async ([command, guest = '']: readonly string[]): Promise<string> => {
      if (command === 'list') return GUESTS.map((uuid) => ` ${uuid} guest\n`).join('');
      looked.push(guest);
      return hangs.promise;
    };
    const watch = watchLosses({
      virsh: { run } as unknown as Parameters<typeof watchLosses>[0]['virsh'],
      events: { subscribe: () => () => undefined, spawns: 0, stop: async () => undefined },
      connector: { canPlug: async () => true },
      turns,
      log: () => undefined,
    });
    watch.look();
    while (looked.length < 2) await turn();
    const done: string[] = [];
    for (const guest of GUESTS) void turns.task(guest, async () => done.push(guest));
    for (let k = 0; k < 10; k++) await turn();
    assert.deepEqual(
      done,
      GUESTS.filter((guest) => !looked.includes(guest)),
    );
    watch.stop();
    hangs.reject(new Error('it hung'));
    while (done.length < GUESTS.length) await turn();
  });
});
