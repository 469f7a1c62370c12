import { openAsBlob } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../environment.ts';
import { Unmet } from './expect.ts';
import { duration, type Step } from './report.ts';

/** What stock clients send: Cinder's newest microversion, and Nova's before attachments lost their `id`. */
const VERSIONS = 'volume 3.71, compute 2.79';
const POLL_MS = 25;
const DEADLINE_MS = 30_000;

// Replies are of every shape; the steps look only at what they observe.
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

export interface Answer {
  readonly status: number;
  readonly body: Json;
}

const whole = (answer: Answer): unknown => answer;
const never = (answer: Answer): boolean => answer.status === 401;

/** Blockyard's API as a user's program sees it. */
export class Client {
  readonly #stack: Pick<Stack, 'apiUrl' | 'adminToken'>;

  constructor(stack: Pick<Stack, 'apiUrl' | 'adminToken'>) {
    this.#stack = stack;
  }

  /** One request, without a word about it. `path` begins with `/v3/` or `/compute/v2.1/`. */
  async ask(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${this.#stack.apiUrl}${path}`, {
      method,
      headers: {
        'X-Auth-Token': this.#stack.adminToken,
        'OpenStack-API-Version': VERSIONS,
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }

  /**
   * One request that the reader shall see.
   * @throws Unmet unless it is answered with 2xx.
   */
  async call(step: Step, method: string, path: string, body?: object): Promise<Json> {
    const began = performance.now();
    const answer = await this.ask(method, path, body);
    const sent = body === undefined ? '' : ` ${brief(body)}`;
    step.did(`${method} ${shorten(path)}${sent} → ${answer.status} (${duration(performance.now() - began)})`);
    if (answer.status >= 300) throw new Unmet(`${method} ${path}`, '2xx', answer);
    return answer.body;
  }

  /**
   * Sends a file's bytes, as they are.
   * @throws Unmet unless it is answered with 2xx.
   */
  async upload(step: Step, path: string, file: string): Promise<void> {
    const began = performance.now();
    const response = await fetch(`${this.#stack.apiUrl}${path}`, {
      method: 'PUT',
      headers: { 'X-Auth-Token': this.#stack.adminToken, 'Content-Type': 'application/octet-stream' },
      body: await openAsBlob(file),
    });
    const answer = { status: response.status, body: await response.text() };
    step.did(`PUT ${shorten(path)} → ${answer.status} (${duration(performance.now() - began)})`);
    if (answer.status >= 300) throw new Unmet(`PUT ${path}`, '2xx', answer);
  }

  /**
   * Asks until the answer is the one that is waited for, and returns it.
   * @param what for the error: what was waited for.
   * @throws Unmet with the last answer after `deadlineMs` (default 30,000), or as soon as `hopeless` says so.
   */
  async until(
    what: string,
    path: string,
    holds: (answer: Answer) => boolean,
    { deadlineMs = DEADLINE_MS, hopeless = never, seen = whole } = {},
  ): Promise<Answer> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      const answer = await this.ask('GET', path);
      if (holds(answer)) return answer;
      if (hopeless(answer) || performance.now() > deadline)
        throw new Unmet(`GET ${path}`, `${what} within ${duration(deadlineMs)}`, seen(answer));
      await sleep(POLL_MS);
    }
  }

  /**
   * Waits for a volume's status, as every client of Cinder does, and returns the volume.
   * @param back the status it has again when the operation was undone.
   */
  async volumeIs(
    id: string,
    status: string,
    { back = 'error', deadlineMs = DEADLINE_MS } = {},
  ): Promise<Json> {
    const statusOf = (answer: Answer): string => String(answer.body?.volume?.status);
    const { body } = await this.until(
      `status ${status}`,
      `/v3/volumes/${id}`,
      (answer) => statusOf(answer) === status,
      {
        deadlineMs,
        seen: (answer) => `status ${statusOf(answer)}`,
        hopeless: (answer) => statusOf(answer) === back || statusOf(answer).startsWith('error'),
      },
    );
    return body.volume;
  }
}

/** The body without its outer braces and its quotation marks: for people. */
function brief(body: object): string {
  return shorten(JSON.stringify(body).slice(1, -1).replaceAll('"', '').replaceAll(',', ', '));
}

/** UUIDs by their first eight digits. */
function shorten(text: string): string {
  return text.replaceAll(/([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '$1…');
}
