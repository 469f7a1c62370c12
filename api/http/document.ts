import type { IncomingMessage } from 'node:http';
import type { Reply, Route } from './route.ts';

/** What answers on one exact path, without a token. */
export interface Document {
  readonly summary: string;
  readonly replies: Route['replies'];
  /** Media type of the replies where nobody asks for JSON. Default: JSON. */
  readonly otherwise?: 'text/plain';
  answer(request: IncomingMessage): Reply;
}
