import type { AttachmentRow } from './facts.ts';

type Candidate = Pick<AttachmentRow, 'id' | 'status' | 'initiator' | 'created_at'> &
  /** Whether it has been given an account. */
  ({ readonly chap_secret: string | null } | { readonly exported: 0 | 1 | boolean });

/**
 * Which of a volume's attachments its target lets in. Those of one initiator only, unless the volume may have several
 * writers: whoever uses it goes first, then who came first. The others, hosts that it is moving to, are let in by the very task
 * that shuts the former out and has proved that its sessions are gone; so two hosts can never both write.
 */
export function letIn<A extends Candidate>(multiattach: 0 | 1, attachments: readonly A[]): A[] {
  const exported = attachments.filter(
    (each) =>
      each.initiator !== null && ('exported' in each ? Boolean(each.exported) : each.chap_secret !== null),
  );
  if (multiattach === 1) return exported;
  const [first] = exported.toSorted(byTurn);
  return exported.filter(({ initiator }) => initiator === first?.initiator);
}

function byTurn(a: Candidate, b: Candidate): number {
  const uses = ({ status }: Candidate): number => (status === 'attached' || status === 'detaching' ? 0 : 1);
  const key = (each: Candidate): string => `${uses(each)} ${each.created_at} ${each.id}`;
  return key(a) < key(b) ? -1 : 1;
}
