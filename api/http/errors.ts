import { STATUS_CODES } from 'node:http';

/** Errors a client sees, in Cinder's names (`{"itemNotFound": {"code": 404, "message": …}}`). */
const NAMES = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  406: 'computeFault',
  408: 'requestTimeout',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  416: 'rangeNotSatisfiable',
  429: 'overLimit',
  500: 'computeFault',
  502: 'badGateway',
  503: 'serviceUnavailable',
  504: 'gatewayTimeout',
} as const;

export type ErrorStatus = keyof typeof NAMES;

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: ErrorStatus;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ErrorStatus, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }

  /** The body Keystone would answer. */
  toKeystoneBody(requestId: string): object {
    const { status: code, message } = this;
    return { error: { code, title: STATUS_CODES[code] ?? 'Error', message, request_id: requestId } };
  }

  /** The body Cinder would answer, and the request's id so that it survives in a user's log. */
  toBody(
    requestId: string,
  ): Record<string, { code: number; message: string; request_id: string; retryAfter?: string }> {
    const retryAfter = this.status === 413 ? this.headers['Retry-After'] : undefined;
    return {
      [NAMES[this.status]]: {
        code: this.status,
        message: this.message,
        request_id: requestId,
        ...(retryAfter !== undefined && { retryAfter }),
      },
    };
  }
}

export const badRequest = (message: string): ApiError => new ApiError(400, message);
/** Cinder's InvalidInput. */
export const invalidInput = (reason: string): ApiError =>
  new ApiError(400, `Invalid input received: ${reason}`);
/** Cinder's InvalidVolume: also what an illegal change of status answers. */
export const invalidVolume = (reason: string): ApiError => new ApiError(400, `Invalid volume: ${reason}`);
export const notFound = (what: string, id: string): ApiError =>
  new ApiError(404, `${what} ${id} could not be found.`);
export const conflict = (message: string): ApiError => new ApiError(409, message);
export const forbidden = (message: string): ApiError => new ApiError(403, message);
export const noSuchRoute = (): ApiError => new ApiError(404, 'The resource could not be found.');
/** What WebOb, and so Cinder, says of a request when nobody has said anything else. */
export const generalComplaint = (): ApiError =>
  badRequest(
    'The server could not comply with the request since it is either malformed or otherwise incorrect.',
  );
export const malformedBody = (): ApiError => new ApiError(400, 'Malformed request body');
