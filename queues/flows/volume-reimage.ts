import { endDoubt } from '../key-manager/keys-to-be.ts';
import type { Tx } from '../transaction.ts';
import { storedOn } from './exports.ts';
import { fillWithinS } from './fill.ts';
import { flow, type Run } from './flow.ts';
import { luksOf } from './luks.ts';
import { settle } from './settle.ts';
import { WIPE } from './wipe.ts';

/** One that is reserved stays so. */
function written(tx: Tx, run: Run<'volume.reimage', unknown>): void {
  endDoubt(tx, run.facts.volume.id);
  settle(tx, run, 'by-attachments', { image_metadata: JSON.stringify(run.facts.input.metadata) });
}

function failed(tx: Tx, run: Run<'volume.reimage', unknown>): void {
  settle(tx, run, 'error');
}

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
  .task(WIPE)
  .ends({
    done: written,
    undone: failed,
    stuck: (tx, run) => (run.outrun || run.out.rewrite === undefined ? failed : written)(tx, run),
  });
