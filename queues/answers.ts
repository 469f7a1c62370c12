import type { HostName } from '#schema/ids.ts';
import {
  type Answerer,
  QUESTIONS,
  type QuestionInput,
  type QuestionName,
  type QuestionOutput,
  type QuestionsOf,
  questionEnvelope,
} from '#schema/questions.ts';
import { logLevels, setLogLevels } from '#telemetry/log-levels.ts';
import { questionChannel } from './names.ts';
import { packed } from './packed.ts';
import { openRedis } from './redis.ts';

/** What every process answers by itself. */
type Common = `${Answerer}.log-levels`;

/** One answer per question to this kind of agent; an error's message reaches the user. */
export type Answers<K extends Answerer> = {
  readonly [N in Exclude<QuestionsOf<K>, Common>]: (input: QuestionInput<N>) => Promise<QuestionOutput<N>>;
};

interface Options<K extends Answerer> {
  readonly kind: K;
  readonly host: HostName;
  readonly redisUrl: string;
  readonly prefix: string;
  readonly answers: Answers<K>;
  readonly log: (line: string) => void;
}

/** Answers the api's questions until the returned function is called; none is remembered while the agent is away. */
export async function answerQuestions<K extends Answerer>(options: Options<K>): Promise<() => void> {
  const { kind, host, prefix, log } = options;
  const replies = openRedis(options.redisUrl);
  const questions = openRedis(options.redisUrl);
  questions.on('message', (_channel: string, text: string) => {
    answer(text).catch((error: Error) => log(`question: ${error.message}`));
  });
  await questions.subscribe(questionChannel(prefix, kind, host));

  async function answer(text: string): Promise<void> {
    const { id, name, input, replyTo } = questionEnvelope.parse(JSON.parse(text));
    const told = await carryOut({ ...options.answers, [`${kind}.log-levels`]: setAndTell }, name, input)
      .then(packed)
      .then(
        (answer) => ({ id, ...answer }),
        (error: unknown) => ({ id, error: error instanceof Error ? error.message : String(error) }),
      );
    // Whoever asked has stopped waiting by the time Redis is back.
    if (replies.status === 'ready') await replies.publish(replyTo, JSON.stringify(told));
  }

  return () => {
    questions.disconnect();
    replies.disconnect();
  };
}

async function setAndTell({ prefix, level }: QuestionInput<Common>): Promise<QuestionOutput<Common>> {
  if (level !== null) setLogLevels(prefix, level);
  return logLevels(prefix);
}

async function carryOut(answers: object, name: string, input: unknown): Promise<unknown> {
  if (!Object.hasOwn(answers, name)) throw new Error(`this agent knows no question ${name}`);
  const question = QUESTIONS[name as QuestionName];
  const work = (answers as Record<string, (input: unknown) => Promise<unknown>>)[name];
  return work?.(question.input.parse(input));
}
