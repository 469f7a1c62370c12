import { luksHeaderBytes } from '#schema/luks.ts';
import { NoValidPool, release, reserve } from '../placement/place.ts';
import { resolveIotune } from '../qos/resolve.ts';
import { storedOn } from './exports.ts';
import { placed } from './facts.ts';
import { flow } from './flow.ts';
import { pluggedBy } from './plugged.ts';
import { settle } from './settle.ts';

const GROWN = { none: 'a volume never shrinks: what the guest has seen it may have written to' };
const GUEST_LATER = 'the volume has grown; the guest sees it at its next start at the latest';

export const volumeExtend = flow('volume.extend')
  .local({
    name: 'reserve',
    async do(tx, { facts: { volume, input } }) {
      const more = input.toGib - input.fromGib;
      if (!(await reserve(tx, placed(volume), more, 0))) {
        throw new NoValidPool(`${placed(volume)} has no room for another ${more} GiB.`);
      }
      return {};
    },
    undo: (tx, { facts: { volume, input } }) => release(tx, placed(volume), input.toGib - input.fromGib, 0),
  })
  .task({
    name: 'grow',
    on: 'storage',
    task: 'volume.grow',
    finishes: true,
    do({ facts }) {
      const { agent, input } = storedOn(facts);
      return { host: agent, input: { ...input, sizeGib: facts.input.toGib } };
    },
    undo: GROWN,
  })
  .task({
    name: 'resize',
    on: 'compute',
    task: 'disk.resize',
    optional: GUEST_LATER,
    do({ facts, out }) {
      const disk = pluggedBy(facts);
      if (disk === null || out.grow === null) return null;
      const sizeBytes = out.grow.sizeBytes - (facts.luks === null ? 0 : luksHeaderBytes(facts.luks));
      return { host: disk.host, input: { ...disk.input, sizeBytes } };
    },
    undo: GROWN,
  })
  .task({
    name: 'tune',
    on: 'compute',
    task: 'disk.tune',
    optional: 'limits per GiB are set again at the next change and at the next attach',
    do({ facts }) {
      const disk = pluggedBy(facts);
      if (disk === null || facts.qos === null) return null;
      return {
        host: disk.host,
        input: { ...disk.input, iotune: resolveIotune(facts.qos, facts.input.toGib) },
      };
    },
    undo: GROWN,
  })
  .ends({
    done: (tx, run) => settle(tx, run, 'by-attachments', { size_gib: run.facts.input.toGib }),
    undone: (tx, run) => settle(tx, run, 'by-attachments'),
    stuck: (tx, run) => settle(tx, run, 'error_extending'),
  });
