import { readFileSync } from 'node:fs';

/** How a connection to a server is encrypted; the server's certificate is always checked. */
export interface Tls {
  /** PEM; undefined for the authorities that Node trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly minVersion: 'TLSv1.2';
}

const FILES = ['ca', 'cert', 'key'] as const;

/**
 * Takes the files of `schema/settings.ts` out of a URL and reads them.
 * @returns the URL without them; `named` is true when there were any.
 * @throws Error that names the file that can't be read.
 */
export function tlsFiles(text: string): { readonly url: string; readonly tls: Tls; readonly named: boolean } {
  const url = new URL(text);
  const tls: { -readonly [K in keyof Tls]: Tls[K] } = { minVersion: 'TLSv1.2' };
  let named = false;
  for (const name of FILES) {
    const path = url.searchParams.get(name);
    if (path === null) continue;
    url.searchParams.delete(name);
    named = true;
    try {
      tls[name] = readFileSync(path, 'utf8');
    } catch (error) {
      throw new Error(`the TLS ${name} file: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
  return { url: named ? url.href : text, tls, named };
}
