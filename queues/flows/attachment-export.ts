import { aclsOf, exportTask } from './exports.ts';
import { flow } from './flow.ts';
import { dropAttachment, setAttachment, settle, statusWithout } from './settle.ts';

/** A client connects by itself: it is given an account and an ACL, and says `complete` when it is done. */
export const attachmentExport = flow('attachment.export')
  .task({
    name: 'export',
    on: 'storage',
    task: 'export.ensure',
    do: ({ facts }) => exportTask(facts, aclsOf(facts.attachments)),
    undo: {
      task: 'export.ensure',
      do: ({ facts }) => exportTask(facts, aclsOf(facts.attachments, facts.operation.attachment_id)),
    },
  })
  .ends({
    async done(trx, run) {
      const connection = JSON.stringify(run.out.export?.connection ?? null);
      await setAttachment(trx, run, 'attaching', { connection });
      // A volume that another attachment has in use stays so.
      await settle(trx, run, statusWithout(run) === 'in-use' ? null : 'attaching');
    },
    async undone(trx, run) {
      if (run.facts.input.createdHere) await dropAttachment(trx, run);
      else {
        await setAttachment(trx, run, 'reserved', {
          connector: null,
          initiator: null,
          chap_username: null,
          chap_secret: null,
        });
      }
      const others = statusWithout(run);
      await settle(trx, run, others === 'available' && !run.facts.input.createdHere ? 'reserved' : others);
    },
    async stuck(trx, run) {
      await setAttachment(trx, run, 'error_attaching');
      await settle(trx, run, 'error');
    },
  });

/** The client has let go (its word: it connects by itself), so its ACL and account go, sessions included. */
export const attachmentRevoke = flow('attachment.revoke')
  .task({
    name: 'revoke',
    on: 'storage',
    task: 'export.ensure',
    waits: true,
    orStuck: true,
    do: ({ facts }) =>
      facts.volume.pool === null
        ? null
        : exportTask(facts, aclsOf(facts.attachments, facts.operation.attachment_id)),
    undo: { none: 'forward only' },
  })
  .ends({
    async done(trx, run) {
      await dropAttachment(trx, run);
      await settle(trx, run, statusWithout(run));
    },
    async undone(trx, run) {
      await setAttachment(trx, run, 'error_detaching');
      await settle(trx, run, null);
    },
    async stuck(trx, run) {
      await setAttachment(trx, run, 'error_detaching');
      await settle(trx, run, null);
    },
  });
