import type { Caller, RequestContext } from '#api/http/context.ts';
import { ApiError, conflict } from '#api/http/errors.ts';
import { asSeenBy } from '#api/http/places.ts';
import type { Reply } from '#api/http/route.ts';
import { Unanswered } from '#queues/questions.ts';
import { findServer } from './rows.ts';

const MAX_LINES = 100_000;

/** @param length lines from the end; null or negative for all that may be sent. */
export async function showConsole(
  context: RequestContext,
  id: string,
  length: number | string | null,
): Promise<Reply> {
  const server = await findServer(context, id);
  if (server.host === null) throw notReady(server.id);
  const wanted = length === null ? -1 : Number(length);
  const lines = wanted < 0 ? null : Math.min(wanted, MAX_LINES);
  const { state, text } = await context.app.questions
    .ask(server.host, 'server.console', { serverId: server.id, lines })
    .catch((error: unknown) => inStatus(context.caller, error));
  switch (state) {
    case 'ok':
      return { status: 200, body: { output: text } };
    case 'no-server':
      throw notReady(server.id);
    case 'not-logged':
      throw conflict(`The console of server ${server.id} is not written down: its domain has no <log>.`);
    default:
      return state satisfies never;
  }
}

function inStatus(caller: Caller, error: unknown): never {
  if (!(error instanceof Unanswered)) throw error;
  switch (error.reason) {
    case 'away':
      throw conflict(error.message);
    case 'late':
      throw new ApiError(504, error.message);
    case 'failed':
      throw new ApiError(502, asSeenBy(caller, error.message));
    default:
      throw error.reason satisfies never;
  }
}

/** Nova's InstanceNotReady. */
function notReady(id: string): ApiError {
  return conflict(`Instance ${id} is not ready`);
}
