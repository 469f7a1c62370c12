import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { watchLosses } from '#compute-agent/disks/replug.ts';
import { VirshError } from '#compute-agent/libvirt/virsh/virsh-error.ts';
import { ServerTurns } from '#compute-agent/recovery/server-turns.ts';

const GUESTS = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`);

describe('looking for lost disks', () => {
  // virsh is none: a real one hangs for a minute, and in no order.
  const watching = (turns: ServerTurns, look: (guest: string) => Promise<string>) =>
    watchLosses({
      virsh: {
        run: async ([command, guest = '']: readonly string[]) =>
          command === 'list' ? GUESTS.map((uuid) => ` ${uuid} guest\n`).join('') : look(guest),
      } as unknown as Parameters<typeof watchLosses>[0]['virsh'],
      events: { subscribe: () => () => undefined, spawns: 0, stop: async () => undefined },
      connector: { canPlug: async () => true },
      turns,
      log: () => undefined,
    });

  it('waits for guests whose tasks do not end, and looks at the others meanwhile', async () => {
    const turns = new ServerTurns();
    const ends = Promise.withResolvers<void>();
    const tasks = GUESTS.slice(0, 2).map((guest) => turns.task(guest, () => ends.promise));
    const looked: string[] = [];
    const watch = watching(turns, async (guest) => {
      looked.push(guest);
      throw new VirshError('domain-not-found', 'Domain not found');
    });
    watch.look();
    while (looked.length === 0) await turn();
    assert.deepEqual(looked, GUESTS.slice(2));
    ends.resolve();
    await Promise.all(tasks);
    while (looked.length < GUESTS.length) await turn();
    watch.stop();
  });

  it('keeps no task of a guest waiting that is not being looked at yet', async () => {
    const turns = new ServerTurns();
    const hangs = Promise.withResolvers<never>();
    const looked: string[] = [];
    const watch = watching(turns, (guest) => {
      looked.push(guest);
      return hangs.promise;
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
