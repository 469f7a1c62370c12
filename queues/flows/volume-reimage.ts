import { storedOn } from './exports.ts';
import { fillWithinS } from './fill.ts';
import { flow } from './flow.ts';
import { luksOf } from './luks.ts';
import { settle } from './settle.ts';

/** Writes an image over a volume that nobody has connected. */
export const volumeReimage = flow('volume.reimage')
  .task({
    name: 'rewrite',
    on: 'storage',
    task: 'volume.rewrite',
    withinS: fillWithinS,
    // What it does cannot be undone, and done again it comes to the same.
    waits: true,
    do({ facts }) {
      const { agent, input } = storedOn(facts);
      return {
        host: agent,
        input: {
          ...input,
          sizeGib: facts.volume.size_gib,
          source: { kind: 'image', image: facts.input.image },
          ...luksOf(facts),
        },
      };
    },
    undo: {
      none: 'the volume keeps its data until the image’s are all there; then it has what was asked for',
    },
  })
  .ends({
    // One that is reserved stays so.
    done: (tx, run) =>
      settle(tx, run, 'by-attachments', { image_metadata: JSON.stringify(run.facts.input.metadata) }),
    undone: (tx, run) => settle(tx, run, 'error'),
    stuck: (tx, run) => settle(tx, run, 'error'),
  });
