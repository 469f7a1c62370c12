import { z } from 'zod';
import { table } from '../table.ts';

const operation = z.looseObject({
  id: z.string(),
  kind: z.string(),
  state: z.string(),
  user_id: z.string(),
  request_id: z.string(),
  volume_id: z.string(),
  attachment_id: z.string().nullable(),
  error: z.string().nullable(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  ended_at: z.string().nullable(),
  waiting: z
    .looseObject({ host: z.string(), since: z.string(), reason: z.string() })
    .nullable()
    .default(null),
});
const command = z.looseObject({
  command: z.string(),
  exit_code: z.int().nullable(),
  at_ms: z.int(),
  duration_ms: z.int(),
  error: z.string().nullable(),
});
const step = z.looseObject({
  name: z.string(),
  direction: z.string(),
  host: z.string(),
  state: z.string(),
  attempt: z.int(),
  error: z.string().nullable(),
  wait_ms: z.int().nullable().default(null),
  commands: z.array(command).default([]),
  commands_omitted: z.int().default(0),
  started_at: z.string(),
  ended_at: z.string().nullable(),
});

/** What the API answers; more fields may come. */
export const shownReply = z.looseObject({ operation: operation.extend({ steps: z.array(step) }) });
export const listedReply = z.looseObject({ operations: z.array(operation) });

/** One operation with its timeline. Times are UTC. */
export function showText({ operation }: z.infer<typeof shownReply>): string {
  const facts = [
    ['Operation', operation.id],
    ['Kind', operation.kind],
    ['State', operation.state],
    ['Volume', operation.volume_id],
    ['Attachment', operation.attachment_id],
    ['Asked for', `${day(operation.created_at)} ${clock(operation.created_at)} UTC by ${operation.user_id}`],
    ['Request', operation.request_id],
    ['Waited', operation.started_at === null ? null : took(operation.created_at, operation.started_at)],
    ['Took', took(operation.created_at, operation.ended_at)],
    ['Waits', waits(operation)],
    ['Error', operation.error],
  ];
  const lines = facts.flatMap(([title, fact]) => (fact ? `${title!.padEnd(11)}${line(fact)}\n` : []));
  const steps = operation.steps.map((each) => [
    each.name,
    each.direction,
    each.host,
    each.state,
    String(each.attempt),
    clock(each.started_at),
    each.wait_ms === null ? '' : lasted(each.wait_ms),
    took(each.started_at, each.ended_at),
    each.error ?? '',
  ]);
  const head = ['STEP', 'DIRECTION', 'HOST', 'STATE', 'ATTEMPT', 'START', 'WAITED', 'DURATION', 'ERROR'];
  if (steps.length === 0) return `${lines.join('')}\nNo step has begun.\n`;
  return `${lines.join('')}\n${table(head, steps)}${operation.steps.map(commandsText).join('')}`;
}

/** What the host did for one step; nothing when it has not told. */
function commandsText({ name, direction, host, commands, commands_omitted }: z.infer<typeof step>): string {
  if (commands.length === 0) return '';
  const title = `${name}${direction === 'undo' ? ' (undo)' : ''} on ${host}`;
  const omitted = commands_omitted === 0 ? '' : `, ${commands_omitted} more not shown`;
  const rows = commands.map((each) => [
    `+${lasted(each.at_ms)}`,
    lasted(each.duration_ms),
    each.exit_code === null ? 'none' : String(each.exit_code),
    each.command,
    each.error ?? '',
  ]);
  const text = table(['AT', 'DURATION', 'EXIT', 'COMMAND', 'ERROR'], rows);
  return `\n${line(title)}${omitted}:\n${text.replaceAll(/^/gm, '  ').trimEnd()}\n`;
}

/** Several operations, a line for each. */
export function listText({ operations }: z.infer<typeof listedReply>): string {
  if (operations.length === 0) return 'No operations.\n';
  return table(
    ['ID', 'KIND', 'STATE', 'VOLUME', 'ASKED FOR (UTC)', 'DURATION', 'ERROR'],
    operations.map((each) => [
      each.id,
      each.kind,
      each.state,
      each.volume_id,
      `${day(each.created_at)} ${clock(each.created_at)}`,
      took(each.created_at, each.ended_at),
      each.error ?? waits(each) ?? '',
    ]),
  );
}

function waits({ waiting }: z.infer<typeof operation>): string | null {
  return waiting === null ? null : `waits since ${clock(waiting.since)} UTC: ${waiting.reason}`;
}

const line = (text: string): string => text.replaceAll(/\p{C}+/gu, ' ');
const day = (time: string): string => time.slice(0, 10);
/** To the millisecond. */
const clock = (time: string): string => time.slice(11, 23);

function took(began: string, ended: string | null): string {
  if (ended === null) return '';
  return lasted(Date.parse(`${ended}Z`) - Date.parse(`${began}Z`));
}

function lasted(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  return ms < 60_000
    ? `${(ms / 1_000).toFixed(1)} s`
    : `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}
