import { hostname } from 'node:os';
import { z } from 'zod';
import type { HostName, Ids } from '#schema/ids.ts';
import {
  answerEnvelope,
  QUESTIONS,
  type QuestionInput,
  type QuestionName,
  type QuestionOutput,
} from '#schema/questions.ts';
import { LOG_LEVELS, setLogLevels } from '#telemetry/log-levels.ts';
import { answerChannel, apiLogLevelsChannel, questionChannel } from './names.ts';
import { unpack } from './packed.ts';
import { openRedis } from './redis.ts';

/** Nobody has answered; the message says why in words for a user. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
  /** `away`: no agent listens there. `late`: one does, and was too slow. `failed`: it could not. */
  readonly reason: 'away' | 'late' | 'failed';

  constructor(reason: Unanswered['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The api's side of questions to agents. */
export interface Questions {
  /** @throws Unanswered */
  ask<N extends QuestionName>(host: HostName, name: N, input: QuestionInput<N>): Promise<QuestionOutput<N>>;
  /** Has every api process, this one too, log so much; those on this host alone when it is named. */
  setApiLogLevels(wanted: ApiLogLevels): Promise<void>;
  close(): void;
}

const apiLogLevels = z.strictObject({
  prefix: z.string(),
  level: z.enum(LOG_LEVELS),
  /** Null: on every host. */
  host: z.string().nullable(),
});
type ApiLogLevels = z.infer<typeof apiLogLevels>;

interface Options {
  readonly redisUrl: string;
  readonly prefix: string;
  readonly ids: Ids;
  /** Milliseconds that an answer may take. Default 5,000. */
  readonly withinMs?: number;
}

/** Null when nobody has answered in time. */
type Waiting = (
  answer: { readonly output: unknown } | { readonly packed: string } | { readonly error: string } | null,
) => void;

export function createQuestions({ redisUrl, prefix, ids, withinMs = 5_000 }: Options): Questions {
  const asker = ids.uuid();
  const commands = openRedis(redisUrl);
  const answers = openRedis(redisUrl);
  const waiting = new Map<string, Waiting>();
  const listening = answers.psubscribe(answerChannel(prefix, '*', asker));
  listening.catch(() => undefined);
  const heeding = answers.subscribe(apiLogLevelsChannel(prefix));
  heeding.catch(() => undefined);
  answers.on('message', (_channel: string, text: string) => heed(text));
  answers.on('pmessage', (_pattern: string, channel: string, text: string) => {
    const answer = parseAnswer(text);
    if (answer !== undefined) waiting.get(`${channel} ${answer.id}`)?.(answer);
  });

  return {
    async ask(host, name, input) {
      const question = QUESTIONS[name];
      const { agent, output } = question;
      // A question that waits for Redis would come to an agent long after anybody waits for its answer.
      if (commands.status !== 'ready') throw new Unanswered('late', 'Redis does not answer.');
      const id = ids.uuid();
      const { promise, resolve } = Promise.withResolvers<Parameters<Waiting>[0]>();
      const timer = setTimeout(() => resolve(null), 'withinMs' in question ? question.withinMs : withinMs);
      const channel = answerChannel(prefix, `${agent}.${host}`, asker);
      // Only the agent that is asked can answer there.
      const awaited = `${channel} ${id}`;
      waiting.set(awaited, resolve);
      try {
        await listening;
        const text = JSON.stringify({ id, name, input, replyTo: channel });
        const heard = await commands.publish(questionChannel(prefix, agent, host), text);
        const who = `The ${agent} agent of host ${host}`;
        if (heard === 0) throw new Unanswered('away', `${who} is away.`);
        const answer = await promise;
        if (answer === null) throw new Unanswered('late', `${who} did not answer in time.`);
        if ('error' in answer) throw new Unanswered('failed', `${who} could not tell: ${answer.error}`);
        return output.parse(
          'packed' in answer ? await unpack(answer.packed) : answer.output,
        ) as QuestionOutput<typeof name>;
      } finally {
        clearTimeout(timer);
        waiting.delete(awaited);
      }
    },
    async setApiLogLevels(wanted) {
      heed(JSON.stringify(wanted));
      if (commands.status === 'ready') {
        await commands.publish(apiLogLevelsChannel(prefix), JSON.stringify(wanted));
      }
    },
    close() {
      commands.disconnect();
      answers.disconnect();
    },
  };
}

/** What is no order is none. */
function heed(text: string): void {
  try {
    const { prefix, level, host } = apiLogLevels.parse(JSON.parse(text));
    if (host === null || host === hostname()) setLogLevels(prefix, level);
  } catch {
    // Nobody is there to be told.
  }
}

/** Undefined for what is no answer: a host that has been taken over must not end this process. */
function parseAnswer(text: string): z.infer<typeof answerEnvelope> | undefined {
  try {
    return answerEnvelope.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
