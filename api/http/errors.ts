/** Errors a client sees, in Cinder's names (`{"itemNotFound": {"code": 404, "message": …}}`). */
const NAMES = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  406: 'notAcceptable',
  409: 'conflictingRequest',
  413: 'overLimit',
  415: 'badMediaType',
  500: 'computeFault',
  503: 'serviceUnavailable',
} as const;

export type ErrorStatus = keyof typeof NAMES;

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: ErrorStatus;

  constructor(status: ErrorStatus, message: string) {
    super(message);
    this.status = status;
  }

  /** The body Cinder would answer. */
  toBody(): Record<string, { code: number; message: string }> {
    return { [NAMES[this.status]]: { code: this.status, message: this.message } };
  }
}

export const badRequest = (message: string): ApiError => new ApiError(400, message);
export const notFound = (what: string, id: string): ApiError =>
  new ApiError(404, `${what} ${id} could not be found.`);
export const conflict = (message: string): ApiError => new ApiError(409, message);
export const forbidden = (message: string): ApiError => new ApiError(403, message);
