import { resolveIotune } from '../qos/resolve.ts';
import { flow } from './flow.ts';
import { pluggedBy } from './plugged.ts';
import { settle } from './settle.ts';

/** One for each attached volume whose limits may have changed; reads the newest spec when its turn comes. */
export const qosApply = flow('qos.apply')
  .task({
    name: 'tune',
    on: 'compute',
    task: 'disk.tune',
    waits: true,
    do({ facts }) {
      const disk = pluggedBy(facts);
      if (disk === null) return null;
      return {
        host: disk.host,
        input: { ...disk.input, iotune: resolveIotune(facts.qos, facts.volume.size_gib) },
      };
    },
    undo: {
      task: 'disk.tune',
      do({ facts }) {
        const disk = pluggedBy(facts);
        return disk === null
          ? null
          : { host: disk.host, input: { ...disk.input, iotune: facts.input.before } };
      },
    },
  })
  .ends({
    done: (tx, run) => settle(tx, run, null),
    undone: (tx, run) => settle(tx, run, null),
    stuck: (tx, run) => settle(tx, run, null),
  });
