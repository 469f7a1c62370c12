import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContextOptions, Server as TlsServer } from 'node:tls';

/** Where the api's certificate (with those between it and its authority) and its key lie, as PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** @throws Error that names the file that can't be read, or says that the two don't belong together. */
export function readCertificate({ cert, key }: CertificateFiles): SecureContextOptions {
  const read = (variable: string, path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new Error(`${variable}: ${messageOf(error)}`, { cause: error });
    }
  };
  const options = {
    cert: read('BLOCKYARD_TLS_CERT', cert),
    key: read('BLOCKYARD_TLS_KEY', key),
    minVersion: 'TLSv1.2',
  } as const;
  try {
    createSecureContext(options);
  } catch (error) {
    throw new Error(`BLOCKYARD_TLS_CERT and BLOCKYARD_TLS_KEY: ${messageOf(error)}`, { cause: error });
  }
  return options;
}

/**
 * Shows a new certificate from the next connection on when the process gets SIGHUP; one that is no good is told and not used.
 */
export function renewOnHangup(server: unknown, files: CertificateFiles, log: (line: string) => void): void {
  process.on('SIGHUP', () => {
    if (!(server instanceof TlsServer)) return;
    try {
      server.setSecureContext(readCertificate(files));
      log('the certificate has been read anew');
    } catch (error) {
      log(`the certificate stays the one that it was: ${messageOf(error)}`);
    }
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
