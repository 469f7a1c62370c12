import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

const pack = promisify(gzip);
const open = promisify(gunzip);

/** Shorter answers travel as they are. */
const PACK_FROM = 16_384;
/** Well below what Redis lets wait for one subscriber before it cuts the connection (32 MiB). */
const LONGEST = 16 * 1_024 ** 2;
/** What an answer may unpack to: some hundred thousand volumes. */
const LARGEST = 256 * 1_024 ** 2;

/** An answer in the form in which it travels. @throws Error when it is too long for that. */
export async function packed(
  output: unknown,
): Promise<{ readonly output: unknown } | { readonly packed: string }> {
  const text = JSON.stringify(output) ?? 'null';
  if (text.length < PACK_FROM) return { output };
  const body = (await pack(text, { level: 1 })).toString('base64');
  if (body.length > LONGEST) throw new Error(`the answer is too long: ${body.length} characters`);
  return { packed: body };
}

/** What `packed` has packed. @throws Error when it is broken or unpacks to too much. */
export async function unpack(body: string): Promise<unknown> {
  const text = await open(Buffer.from(body, 'base64'), { maxOutputLength: LARGEST });
  return JSON.parse(text.toString('utf8')) as unknown;
}
