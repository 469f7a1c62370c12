import type { AttachmentId } from '#schema/ids.ts';
import { poolParts } from '#schema/pools.ts';
import type { Acl, TaskInput } from '#schema/tasks.ts';
import { type AttachmentRow, attachmentOf, type Facts, placed } from './facts.ts';
import type { TaskCall } from './flow.ts';

/** Who may log in to a volume's export: each attachment that has been given an account. */
export function aclsOf(attachments: readonly AttachmentRow[], without?: AttachmentId | null): Acl[] {
  return attachments.flatMap(({ id, initiator, chap_username, chap_secret }) =>
    id === without || initiator === null || chap_username === null || chap_secret === null
      ? []
      : [{ initiator, chap: { username: chap_username, secret: chap_secret } }],
  );
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

export const withoutMine = ({ facts }: Known): TaskCall<'export.ensure'> =>
  facts.volume.pool === null
    ? null
    : exportTask(facts, aclsOf(facts.attachments, facts.operation.attachment_id));

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

/** The row that lets the operation's attachment in. */
export const EXPORT = {
  name: 'export',
  on: 'storage',
  task: 'export.ensure',
  do: ({ facts }: Known) => exportTask(facts, aclsOf(facts.attachments)),
  undo: { task: 'export.ensure', do: cutOff },
} as const;

/** The row that shuts it out once it has let go: there is no way back, so an absent host is waited for. */
export const REVOKE = {
  name: 'revoke',
  on: 'storage',
  task: 'export.ensure',
  waits: true,
  orStuck: true,
  do: withoutMine,
  undo: { none: 'forward only: whoever had the volume has let go' },
} as const;
