import type { AgentKind, TaskInput, TaskOutput, TasksOf } from '#schema/tasks.ts';

/** What a handler may use besides its input. */
export interface TaskContext {
  /** For logs. */
  readonly requestId: string;
  /** Aborted when the agent stops; long waits must heed it. */
  readonly signal: AbortSignal;
}

/**
 * One handler per task of this kind of agent; the type asks for all of them. Tasks of one volume never overlap in an
 * agent, tasks of different volumes do. A handler throws TaskError to say why in a word; any other error is `failed`
 * and is tried again.
 */
export type Handlers<K extends AgentKind> = {
  readonly [N in TasksOf<K>]: (input: TaskInput<N>, context: TaskContext) => Promise<TaskOutput<N>>;
};
