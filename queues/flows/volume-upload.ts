import { asId, type ImageId } from '#schema/ids.ts';
import { dropKey } from '../key-manager/drop-key.ts';
import type { Tx } from '../transaction.ts';
import { storedOn } from './exports.ts';
import { fillWithinS } from './fill.ts';
import { flow, type Run } from './flow.ts';
import { settle } from './settle.ts';

/** The image is taken away, its data and its key with it; one that a Glance has, the api takes away there. */
function failed(tx: Tx, run: Run<'volume.upload', unknown>): void {
  // The image may be whole, and in use.
  if (run.outrun) return settle(tx, run, 'by-attachments');
  tx.later(tx.q.deleteFrom('images').where('id', '=', asId<ImageId>(run.facts.input.imageId)));
  dropKey(tx, { encryption_key_id: run.facts.input.keyId ?? null });
  return settle(tx, run, 'by-attachments');
}

export const volumeUpload = flow('volume.upload')
  .task({
    name: 'upload',
    on: 'storage',
    task: 'volume.upload',
    withinS: fillWithinS,
    lane: 'upload',
    // The volume is free when nobody reads it any more.
    finishes: true,
    do({ facts }) {
      const { agent, input } = storedOn(facts);
      const { imageId, diskFormat } = facts.input;
      return { host: agent, input: { ...input, imageId, diskFormat } };
    },
    undo: { none: 'the volume is only read; the image goes with the end of the operation' },
  })
  .ends({
    done: (tx, run) => settle(tx, run, 'by-attachments'),
    undone: failed,
    stuck: failed,
  });
