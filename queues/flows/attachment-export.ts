import { EXPORT, REVOKE } from './exports.ts';
import { flow } from './flow.ts';
import { dropAttachment, setAttachment, settle } from './settle.ts';

/** The columns of an attachment that nobody is let in for. */
const UNEXPORTED = {
  connector: null,
  connection: null,
  initiator: null,
  chap_username: null,
  chap_secret: null,
} as const;

/** A client connects by itself: it is given an account and an ACL, and says `complete` when it is done. */
export const attachmentExport = flow('attachment.export')
  .task(EXPORT)
  .ends({
    done(tx, run) {
      const connection = JSON.stringify(run.out.export?.connection ?? null);
      setAttachment(tx, run, run.facts.input.attached ? 'attached' : 'attaching', { connection });
      settle(tx, run, 'by-attachments');
    },
    undone(tx, run) {
      if (run.facts.input.createdHere) dropAttachment(tx, run);
      else setAttachment(tx, run, run.facts.input.attached ? 'attached' : 'reserved', UNEXPORTED);
      settle(tx, run, 'by-attachments');
    },
    stuck(tx, run) {
      setAttachment(tx, run, 'error_attaching');
      settle(tx, run, 'error');
    },
  });

/** The client has let go (its word: it connects by itself), so its ACL and account go, sessions included. */
export const attachmentRevoke = flow('attachment.revoke')
  .task(REVOKE)
  .ends({
    done(tx, run) {
      if (run.facts.input.keeps) {
        setAttachment(tx, run, 'attached', UNEXPORTED);
        settle(tx, run, null);
      } else {
        dropAttachment(tx, run);
        settle(tx, run, 'by-attachments');
      }
    },
    undone(tx, run) {
      setAttachment(tx, run, 'error_detaching');
      settle(tx, run, null);
    },
    stuck(tx, run) {
      setAttachment(tx, run, 'error_detaching');
      settle(tx, run, null);
    },
  });
