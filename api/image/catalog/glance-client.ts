import { ApiError } from '#api/http/errors.ts';
import type { Tokens } from '#images/keystone.ts';

export interface Answer {
  readonly status: number;
  /** Parsed; undefined when there is none. */
  readonly body: unknown;
}

/** Asks a Glance, as the account that we have there. */
export interface GlanceClient {
  /**
   * @param path below its root: `/v2/images/…`
   * @throws ApiError 502 when it does not answer, or not as it should.
   */
  ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<Answer>;
}

const PATIENCE_MS = 30_000;
const PATCH_TYPE = 'application/openstack-images-v2.1-json-patch';

/** @param tokens null for a Glance that asks for none. */
export function createGlanceClient(url: string, tokens: Tokens | null): GlanceClient {
  const root = url.replace(/\/+$/, '');

  async function once(method: string, path: string, body: unknown): Promise<Answer> {
    const proof = tokens === null ? {} : { 'X-Auth-Token': await tokens.get() };
    const type = method === 'PATCH' ? PATCH_TYPE : 'application/json';
    const response = await fetch(`${root}${path}`, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(PATIENCE_MS),
      headers: { Accept: 'application/json', ...proof, ...(body !== undefined && { 'Content-Type': type }) },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await response.text();
    // What it says of an error may be HTML.
    const parsed: unknown = response.ok && text !== '' ? JSON.parse(text) : undefined;
    return { status: response.status, body: parsed };
  }

  return {
    async ask(method, path, body) {
      let answer: Answer;
      try {
        answer = await once(method, path, body);
        if (answer.status === 401 && tokens !== null) {
          tokens.forget();
          answer = await once(method, path, body);
        }
      } catch {
        // Its reason may hold addresses that are not the user's business.
        throw new ApiError(502, 'The image service does not answer.');
      }
      if (answer.status === 401 || answer.status >= 500) {
        throw new ApiError(502, `The image service answered ${answer.status}.`);
      }
      return answer;
    },
  };
}
