import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { recorded } from '#agent/recording.ts';
import { type KeystoneAccount, keystoneTokens } from '#images/keystone.ts';
import { type ImageAction, imageTicket, TICKET_HEADER } from '#images/ticket.ts';
import type { Clock } from '#schema/clock.ts';
import { isUuid } from '#schema/ids.ts';
import { TaskError } from '#schema/tasks.ts';
import { type Request, send } from './http.ts';

/** Blockyard's own image service or a Glance: both keep data at `/v2/images/<id>/file`. */
export interface ImageService {
  /** The image's data as stored. @throws TaskError `not-found` or `refused` when the service says so. */
  fetch(imageId: string, signal: AbortSignal): Promise<Readable>;
  /** False when the image has gone for good. @throws Error when the service does not say. */
  holds(imageId: string, signal: AbortSignal): Promise<boolean>;
  /** Stores these data in an image that is `queued`; one that an earlier run has stored is left alone. */
  store(
    imageId: string,
    open: () => { readonly data: Readable; readonly sizeBytes: number },
    signal: AbortSignal,
  ): Promise<void>;
}

export interface ServiceConfig {
  /** `<url>/v2/images/…` */
  readonly url: string;
  /** Null: Blockyard's own service, which takes tickets. */
  readonly account: KeystoneAccount | null;
  /** Who signs its tickets, and with what. */
  readonly agent: string;
  readonly keys: string;
  /** PEM of the authority that signed the service's certificate; undefined for those that Node trusts. */
  readonly ca?: string | undefined;
  readonly clock: Clock;
}

/** Looked at when a request begins; data may then flow for hours. */
const TICKET_MS = 600_000;

export function createImageService({ url, account, agent, keys, ca, clock }: ServiceConfig): ImageService {
  const tokens = account === null ? null : keystoneTokens(account, () => clock.now());
  const fileOf = (imageId: string): string => {
    // No id leads to anything else that the service has.
    if (!isUuid(imageId)) throw new TaskError('invalid', 'the id of an image must be a UUID');
    return `${url.replace(/\/+$/, '')}/v2/images/${imageId}/file`;
  };
  const permission = async (imageId: string, action: ImageAction): Promise<Record<string, string>> =>
    tokens === null
      ? { [TICKET_HEADER]: imageTicket(keys, agent, imageId, action, clock.now() + TICKET_MS) }
      : { 'x-auth-token': await tokens.get() };

  const ask = async (
    imageId: string,
    action: ImageAction,
    signal: AbortSignal,
    open?: () => Request['body'],
  ) => {
    const method = action === 'write' ? 'PUT' : 'GET';
    const type: Record<string, string> =
      action === 'write' ? { 'content-type': 'application/octet-stream' } : {};
    const once = async (): Promise<IncomingMessage> => {
      const url = fileOf(imageId);
      const headers = { ...type, ...(await permission(imageId, action)) };
      let status: number | undefined;
      const command = (): string =>
        `http: ${method} /v2/images/${imageId}/file${status === undefined ? '' : `: ${status}`}`;
      return recorded({ program: 'http', command }, async () => {
        // Opened no sooner than somebody looks after it: a stream that fails alone ends the process.
        const answer = await send({ method, url, headers, signal, ca, body: open?.() });
        status = answer.statusCode;
        return answer;
      });
    };
    const answer = await once();
    if (answer.statusCode !== 401 || tokens === null) return answer;
    answer.destroy();
    tokens.forget();
    return once();
  };

  return {
    async fetch(imageId, signal) {
      const answer = await ask(imageId, 'read', signal);
      if (answer.statusCode === 200) return answer;
      answer.destroy();
      throw refusal(answer.statusCode);
    },
    async holds(imageId, signal) {
      const answer = await ask(imageId, 'read', signal);
      answer.destroy();
      // 403: it is deactivated, and may be active again.
      if (answer.statusCode === 200 || answer.statusCode === 403) return true;
      if (answer.statusCode === 404) return false;
      throw refusal(answer.statusCode);
    },
    async store(imageId, open, signal) {
      const answer = await ask(imageId, 'write', signal, open);
      answer.destroy();
      if (answer.statusCode === 204 || answer.statusCode === 200) return;
      if (answer.statusCode === 409) {
        // Not waiting for data: either it has them from an earlier run, or it is still saying goodbye to that.
        const stored = await ask(imageId, 'read', signal);
        stored.destroy();
        if (stored.statusCode === 200) return;
        throw new Error('the image does not wait for data');
      }
      throw refusal(answer.statusCode);
    },
  };
}

function refusal(status: number | undefined): Error {
  switch (status) {
    case 204:
    case 404:
      return new TaskError('not-found', 'the image service has no data for this image');
    case 401:
    case 403:
      return new TaskError(
        'refused',
        'the image service does not let this host in (is the key or account right?)',
      );
    case 413:
      return new TaskError('refused', 'the image service takes no image of that size');
    case 400:
    case 415:
      return new TaskError('invalid', `the image service refuses these data (${status})`);
    default:
      return new Error(`the image service answered ${status ?? 'nothing'}`);
  }
}
