import { z } from 'zod';
import { oneLine } from '../command.ts';

const difference = z.looseObject({
  id: z.string(),
  wanted: z.string(),
  found: z.string(),
  cause: z.string().nullable(),
  repair: z.string(),
  care: z.string(),
});

/** What the API answers; more fields may come. */
export const driftReply = z.looseObject({
  differences: z.array(difference),
  unknown: z.array(z.looseObject({ kind: z.string(), host: z.string(), reason: z.string() })),
  hosts: z.array(z.looseObject({ kind: z.string(), host: z.string() })),
});

/** What `--repair` needs, by the care that a difference asks for. */
const HOW: Readonly<Record<string, (id: string) => string>> = {
  safe: (id) => `--repair ${id}  (or --all)`,
  named: (id) => `--repair ${id}`,
  data: (id) => `--repair ${id} --delete-data`,
};

/** A paragraph for each difference, then the hosts that did not answer, then how many did. */
export function driftText({ differences, unknown, hosts }: z.infer<typeof driftReply>): string {
  const paragraphs = differences.map((each) =>
    lines([
      ['', each.id],
      ['  MySQL', each.wanted],
      ['  found', each.found],
      ['  cause', each.cause ?? 'not known'],
      ['  repair', each.repair],
      ['  with', HOW[each.care]?.(each.id) ?? 'nothing automatic'],
    ]),
  );
  const silent = unknown.map(
    ({ kind, host, reason }) => `unknown: ${kind} host ${oneLine(host)}: ${oneLine(reason)}\n`,
  );
  const missing = unknown.length === 0 ? '' : `, ${unknown.length} did not`;
  const summary = `${counted(differences.length, 'difference')}, ${counted(hosts.length, 'agent')} answered${missing}\n`;
  return [...paragraphs, ...silent, summary].join('\n');
}

function counted(many: number, what: string): string {
  return `${many || 'no'} ${what}${many === 1 ? '' : 's'}`;
}

function lines(facts: readonly (readonly [title: string, fact: string])[]): string {
  return facts
    .map(([title, fact]) => `${title === '' ? '' : `${title}: `.padEnd(11)}${oneLine(fact)}\n`)
    .join('');
}

export const repairedReply = z.looseObject({
  difference: z.looseObject({ id: z.string() }),
  repaired: z.boolean(),
  operation_id: z.string().nullable(),
  error: z.string().nullable(),
});

/** One line for each repair. */
export function repairedText({
  difference,
  repaired,
  operation_id,
  error,
}: z.infer<typeof repairedReply>): string {
  const by = operation_id === null ? '' : ` (operation ${operation_id})`;
  const outcome = repaired ? 'repaired' : 'still there';
  return `${oneLine(difference.id)}: ${outcome}${by}${error === null ? '' : `: ${oneLine(error)}`}\n`;
}
