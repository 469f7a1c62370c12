import { z } from 'zod';
import { ApiError, badRequest } from '#api/http/errors.ts';
import { requiredElement, text255, upTo } from '#api/http/fields.ts';

/**
 * What Cinder 2024.2 checks by hand where all else has a schema, so that the words and statuses are others, and keys
 * may consist of any characters.
 */
function element<N extends string>(name: N) {
  return (body: unknown) => {
    const value = requiredElement(body, name);
    for (const [key, item] of Object.entries(value)) checkItem(key, item);
    return { [name]: value };
  };
}

const fits = upTo(255);

/** @throws ApiError 400, and 413 for what is too long */
function checkItem(key: string, item: unknown): void {
  if (key === '') throw invalid('Metadata key:  has 0 characters, less than 1.');
  if (typeof item !== 'string')
    throw invalid(`Value for metadata key: ${key.slice(0, 255)} is not a string or unicode`);
  if (!fits(key)) throw tooLong(key, 'greater');
  if (!fits(item)) throw tooLong(key, 'value greater');
}

const invalid = (reason: string): ApiError =>
  badRequest(`Invalid metadata: Invalid input received: ${reason.toWellFormed()}`);

const tooLong = (key: string, what: string): ApiError =>
  new ApiError(
    413,
    `Invalid metadata size: Metadata property key ${key.slice(0, 1_000).toWellFormed()} ${what} than 255 characters.`,
  );

const stringMap = z.record(text255, text255);

export const metadataBody = z.preprocess(element('metadata'), z.strictObject({ metadata: stringMap }));
export const metaBody = z.preprocess(element('meta'), z.strictObject({ meta: stringMap }));
