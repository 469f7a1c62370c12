import type { AttachmentId } from '#schema/ids.ts';
import { poolParts } from '#schema/pools.ts';
import type { Acl, TaskInput } from '#schema/tasks.ts';
import { type AttachmentRow, attachmentOf, type Facts, placed, type VolumeRow } from './facts.ts';
import type { TaskCall } from './flow.ts';
import { letIn } from './let-in.ts';

/** Who may log in to a volume's export: the attachments that have been given an account, and whose turn it is. */
export function aclsOf(
  { multiattach }: Pick<VolumeRow, 'multiattach'>,
  attachments: readonly AttachmentRow[],
  without?: AttachmentId | null,
): Acl[] {
  const those = attachments.filter(({ id }) => id !== without);
  const acls = letIn(multiattach, those).flatMap(({ initiator, chap_username, chap_secret }) =>
    initiator === null || chap_username === null || chap_secret === null
      ? []
      : [{ initiator, chap: { username: chap_username, secret: chap_secret } }],
  );
  // Attachments of one client's initiator share their account.
  return [...new Map(acls.map((acl) => [acl.chap.username, acl])).values()];
}

/** The export as it should be, for the storage agent that holds the volume. */
export function exportTask(facts: Facts, acls: Acl[]): NonNullable<TaskCall<'export.ensure'>> {
  const { agent, input } = storedOn(facts);
  return { host: agent, input: { ...input, number: facts.volume.number, acls } };
}

/** The agent and the words that name the volume there. */
export function storedOn({ volume }: Facts): {
  agent: ReturnType<typeof poolParts>['agent'];
  input: Pick<TaskInput<'volume.absent'>, 'volumeId' | 'backend'>;
} {
  const { agent, backend } = poolParts(placed(volume));
  return { agent, input: { volumeId: volume.id, backend } };
}

interface Known {
  readonly facts: Facts;
}

const withoutMine = ({ facts }: Known): TaskCall<'export.ensure'> =>
  facts.volume.pool === null
    ? null
    : exportTask(facts, aclsOf(facts.volume, facts.attachments, facts.operation.attachment_id));

/** As `withoutMine`, and the target must prove that nothing of the operation's attachment is left. */
export const cutOff = ({ facts }: Known): TaskCall<'export.ensure'> => {
  const task = withoutMine({ facts });
  const mine = attachmentOf(facts)?.initiator ?? null;
  const shared = facts.attachments.some(
    ({ id, initiator }) => id !== facts.operation.attachment_id && initiator === mine,
  );
  return task === null || mine === null || shared
    ? task
    : { ...task, input: { ...task.input, shutOut: [mine] } };
};

/** Of one whose data are lost nobody else can be let in any more, which the same task would do. */
export const GONE =
  'the host says so after it has proved that whoever is to be shut out is gone; an initiator that another attachment has too stays let in by that one';

/** The row that lets the operation's attachment in. */
export const EXPORT = {
  name: 'export',
  on: 'storage',
  task: 'export.ensure',
  do: ({ facts }: Known) => exportTask(facts, aclsOf(facts.volume, facts.attachments)),
  undo: { task: 'export.ensure', do: cutOff },
} as const;

/** The row that shuts it out once it has let go: there is no way back, so an absent host is waited for. */
export const REVOKE = {
  name: 'revoke',
  on: 'storage',
  task: 'export.ensure',
  waits: true,
  orStuck: true,
  orAbsent: GONE,
  // Who comes next may write at once: the target must be rid of the former first, and say so.
  do: ({ facts }: Known) => (facts.attachments.length > 1 ? cutOff({ facts }) : withoutMine({ facts })),
  undo: { none: 'forward only: whoever had the volume has let go' },
} as const;
