/**
 * What the api asks an agent and waits for: nothing changes by it, so it needs no operation, no sequence number and no
 * queue. An agent that is away answers nothing.
 */
import { z } from 'zod';
import { computeInventory, storageInventory } from './inventory.ts';
import type { AgentKind } from './tasks.ts';

/** Who is asked: conductors only about how much they log. */
export type Answerer = AgentKind | 'conductor';

/** With a level, the loggers whose names begin with the prefix have it from now on; answers what they have. */
const logLevels = {
  input: z.strictObject({
    prefix: z.string(),
    level: z.enum(['DEBUG', 'INFO', 'WARNING', 'ERROR']).nullable(),
  }),
  output: z.record(z.string(), z.string()),
};

/** Nova's own limit on what a console answers. */
export const CONSOLE_LIMIT_BYTES = 102_400;

export const QUESTIONS = {
  'storage.log-levels': { agent: 'storage', ...logLevels },
  'compute.log-levels': { agent: 'compute', ...logLevels },
  'conductor.log-levels': { agent: 'conductor', ...logLevels },
  /** The end of what a server's serial console said; `lines` null for all that may be sent. */
  'server.console': {
    agent: 'compute',
    input: z.strictObject({ serverId: z.string(), lines: z.number().int().nonnegative().nullable() }),
    output: z.strictObject({ state: z.enum(['ok', 'no-server', 'not-logged']), text: z.string() }),
  },
  /** All that a storage host has of volumes, snapshots, images and exports. */
  'storage.inventory': {
    agent: 'storage',
    input: z.strictObject({}),
    output: storageInventory,
    withinMs: 30_000,
  },
  /** All that a hypervisor has of volumes: in domains, connected, and left over. */
  'compute.inventory': {
    agent: 'compute',
    input: z.strictObject({}),
    output: computeInventory,
    withinMs: 30_000,
  },
} as const satisfies Readonly<
  Record<
    string,
    {
      agent: Answerer;
      input: z.ZodType;
      output: z.ZodType;
      /** How long an answer may take, where it is longer than usual. */
      withinMs?: number;
    }
  >
>;

export type QuestionName = keyof typeof QUESTIONS;
export type QuestionInput<N extends QuestionName> = z.infer<(typeof QUESTIONS)[N]['input']>;
export type QuestionOutput<N extends QuestionName> = z.infer<(typeof QUESTIONS)[N]['output']>;
export type QuestionsOf<K extends Answerer> = {
  [N in QuestionName]: (typeof QUESTIONS)[N]['agent'] extends K ? N : never;
}[QuestionName];

/** A question as it travels. */
export const questionEnvelope = z.strictObject({
  id: z.string(),
  name: z.string(),
  input: z.unknown(),
  /** The channel on which the answer is waited for. */
  replyTo: z.string(),
});
/** Its answer; a long one is packed: gzip in base64. */
export const answerEnvelope = z.union([
  z.strictObject({ id: z.string(), output: z.unknown() }),
  z.strictObject({ id: z.string(), packed: z.string() }),
  z.strictObject({ id: z.string(), error: z.string() }),
]);
