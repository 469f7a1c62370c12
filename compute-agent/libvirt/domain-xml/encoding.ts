import { TextDecoder } from 'node:util';
import { DomainXmlError } from './domain-xml-error.ts';
import { applySplices, type Splice } from './splice.ts';

/** A document as text, and the way back to bytes that changes only what was spliced. */
export interface DecodedXml {
  readonly text: string;
  /** False if inserted text must be ASCII: other characters have to be written as character references. */
  readonly unicode: boolean;
  /** The original bytes with the splices carried out. */
  readonly encode: (splices: readonly Splice[]) => Uint8Array;
}

/** No document is larger; libvirt's own limits are far lower. */
export const MAX_BYTES = 64 * 1024 * 1024;
const DECLARATION =
  /^<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*["'][^"'<>]*["'][ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*["']([A-Za-z][A-Za-z0-9._-]*)["']/;

/**
 * Decodes a document by its byte order mark, else by its declared encoding, else as UTF-8
 * (Extensible Markup Language 1.0, appendix F).
 * @throws DomainXmlError if the bytes don't fit the encoding, or if the encoding is unknown or keeps state.
 */
export function decodeXml(bytes: Uint8Array): DecodedXml {
  if (bytes.length === 0) throw new DomainXmlError('the input is empty: expected a domain XML document');
  if (bytes.length > MAX_BYTES) throw new DomainXmlError('the input is larger than 64 MiB');
  const [first = 0, second = 0, third = 0, fourth = 0] = bytes;
  const wide = first === 0 && second === 0 ? third === 0xfe || third === 0 : third === 0 && fourth === 0;
  if (wide && bytes.length > 3)
    throw new DomainXmlError('UTF-32 is not supported: convert the document to UTF-8');
  if ((first === 0xff && second === 0xfe) || (first === 0x3c && second === 0))
    return decodeUtf16(bytes, 'utf-16le');
  if ((first === 0xfe && second === 0xff) || (first === 0 && second === 0x3c))
    return decodeUtf16(bytes, 'utf-16be');
  const hasMark = first === 0xef && second === 0xbb && third === 0xbf;
  const head = Buffer.from(bytes.subarray(0, 512)).toString('latin1');
  const declared = (hasMark ? undefined : DECLARATION.exec(head)?.[1]) ?? 'utf-8';
  return /^utf-?8$/i.test(declared) ? decodeUtf8(bytes) : decodeLegacy(bytes, declared);
}

function decodeUtf8(bytes: Uint8Array): DecodedXml {
  const text = decodeStrictly(bytes, 'utf-8');
  return { text, unicode: true, encode: (splices) => Buffer.from(applySplices(text, splices), 'utf8') };
}

function decodeUtf16(bytes: Uint8Array, encoding: 'utf-16le' | 'utf-16be'): DecodedXml {
  const text = decodeStrictly(bytes, encoding);
  return {
    text,
    unicode: true,
    encode: (splices) => {
      const encoded = Buffer.from(applySplices(text, splices), 'utf16le');
      return encoding === 'utf-16le' ? encoded : encoded.swap16();
    },
  };
}

/** Node cannot encode these: the bytes around the splices are copied, so only the place of each character is needed. */
function decodeLegacy(bytes: Uint8Array, declared: string): DecodedXml {
  const decoder = legacyDecoder(declared);
  const places: number[] = [];
  let text = '';
  let pending = 0;
  try {
    for (let index = 0; index < bytes.length; index += 1) {
      const decoded = decoder.decode(bytes.subarray(index, index + 1), { stream: true });
      for (const _ of decoded.split('')) places.push(pending);
      if (decoded !== '') pending = index + 1;
      text += decoded;
    }
    decoder.decode();
  } catch {
    throw new DomainXmlError(`the input is not valid ${declared}`);
  }
  places.push(bytes.length);
  if (/^(us-)?ascii$|^ansi_x3/i.test(declared) && bytes.some((byte) => byte > 0x7f)) {
    throw new DomainXmlError(`the input is not valid ${declared}`);
  }
  return { text, unicode: false, encode: (splices) => spliceBytes(bytes, places, splices) };
}

function spliceBytes(bytes: Uint8Array, places: readonly number[], splices: readonly Splice[]): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const { start, end, insert } of splices.toSorted((a, b) => a.start - b.start)) {
    parts.push(bytes.subarray(from, places[start]), Buffer.from(insert, 'latin1'));
    from = places[end] ?? bytes.length;
  }
  return Buffer.concat([...parts, bytes.subarray(from)]);
}

function legacyDecoder(declared: string): TextDecoder {
  try {
    const decoder = new TextDecoder(declared, { fatal: true, ignoreBOM: true });
    // UTF-16 was recognised by its bytes before; the ISO 2022 family keeps state, so nothing can be inserted safely.
    if (!/^utf-|^iso-2022|^replacement|^x-user/.test(decoder.encoding)) return decoder;
  } catch {
    // Falls through: unknown to the decoder.
  }
  throw new DomainXmlError(`cannot read the declared encoding ${declared}: convert the document to UTF-8`);
}

function decodeStrictly(bytes: Uint8Array, encoding: string): string {
  try {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new DomainXmlError(`the input is not valid ${encoding.toUpperCase()}`);
  }
}
