import { ApiError, badRequest, generalComplaint } from './errors.ts';

/** The range of microversions one API serves; the major is fixed. */
export interface MicroversionRange {
  /** The word before the version in `OpenStack-API-Version`. */
  readonly service: string;
  readonly major: number;
  readonly min: number;
  readonly max: number;
  /** Cinder refuses a header that says nothing of it, and finds itself in any word that has its name. */
  readonly strict?: true;
}

export const BLOCK_STORAGE_VERSIONS: MicroversionRange = {
  service: 'volume',
  major: 3,
  min: 0,
  max: 71,
  strict: true,
};
export const COMPUTE_VERSIONS: MicroversionRange = { service: 'compute', major: 2, min: 1, max: 93 };

const VERSION = /^([1-9]\d*)\.([1-9]\d*|0)$/;

/**
 * The minor that a request asks for (OpenStack API-WG, microversion specification; Cinder's messages).
 * @param header the value of `OpenStack-API-Version`: `volume 3.27`, or several separated by commas.
 * @throws ApiError 400 for an ill-formed version, 406 for one outside the range, which names it in its headers.
 */
export function negotiate(range: MicroversionRange, header: string | undefined): number {
  if (header === undefined) return range.min;
  for (const part of header.split(',')) {
    const [service, version, ...rest] = part.trim().split(/\s+/);
    if (range.strict ? !part.includes(range.service) : service !== range.service) continue;
    if (version === undefined || rest.length > 0) throw malformed(part.trim());
    return parse(range, version);
  }
  if (range.strict) throw generalComplaint();
  return range.min;
}

/** A bare version, as in compute's older header `X-OpenStack-Nova-API-Version: 2.79`. */
export function parse(range: MicroversionRange, version: string): number {
  if (version === 'latest') return range.max;
  const match = VERSION.exec(version);
  if (match === null) throw malformed(version);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  if (major !== range.major || minor < range.min || minor > range.max) {
    throw new ApiError(
      406,
      `Version ${version} is not supported by the API. Minimum is ${range.major}.${range.min} and maximum is ${range.major}.${range.max}.`,
      { 'OpenStack-API-Version': `${range.service} ${version}`, Vary: 'OpenStack-API-Version' },
    );
  }
  return minor;
}

function malformed(version: string): ApiError {
  return badRequest(
    `API Version String ${version} is of invalid format. Must be of format MajorNum.MinorNum.`,
  );
}
