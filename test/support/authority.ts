import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** PEM files. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateOptions {
  /** Subject alternative names. Default: this machine. */
  readonly names?: string;
  /** Days from now on; one that has ended yesterday is made with -1. */
  readonly days?: number;
}

/** A certificate authority made by openssl for one test. */
export class Authority implements AsyncDisposable {
  readonly dir: string;
  #made = 0;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async create(): Promise<Authority> {
    const authority = new Authority(await mkdtemp(join(tmpdir(), 'by-ca-')));
    await authority.#openssl(
      ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'],
      ['-subj', '/CN=test authority', '-keyout', 'ca.key', '-out', 'ca.pem'],
    );
    return authority;
  }

  /** Its own certificate. */
  get ca(): string {
    return join(this.dir, 'ca.pem');
  }

  async issue({
    names = 'DNS:localhost,IP:127.0.0.1',
    days = 2,
  }: CertificateOptions = {}): Promise<Certificate> {
    const name = `c${(this.#made += 1)}`;
    await this.#openssl(
      ['req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', `/CN=${name}`],
      ['-keyout', `${name}.key`, '-out', `${name}.csr`],
    );
    await writeFile(join(this.dir, `${name}.ext`), `subjectAltName=${names}\n`);
    await this.#openssl(
      ['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ['-extfile', `${name}.ext`, '-out', `${name}.pem`, '-days', String(days)],
    );
    return { cert: join(this.dir, `${name}.pem`), key: join(this.dir, `${name}.key`) };
  }

  async #openssl(...words: readonly string[][]): Promise<void> {
    await run('openssl', words.flat(), { cwd: this.dir });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}
