import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Changes with every boot of this host. */
export async function readBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/**
 * Which servers are still to be started because the host was. Like libvirt's own autostart that is due once per boot: it is
 * settled at the first look which servers these are, and each is crossed out when it was seen to. So a server that somebody
 * stops later stays off, however often the agent starts and however long others of the host cannot be started.
 *
 * On disk: the boot id, then a line for each of the servers.
 */
export class BootMark {
  readonly #folder: string;
  readonly #bootId: string;
  /** Null until the first look. */
  #due: Set<string> | null;
  #written: Promise<void> = Promise.resolve();

  private constructor(folder: string, bootId: string, due: Set<string> | null) {
    this.#folder = folder;
    this.#bootId = bootId;
    this.#due = due;
  }

  /** Nothing is due when this agent never ran here before. */
  static async open(folder: string, bootId: string): Promise<BootMark> {
    const text = await readFile(join(folder, MARK), 'utf8').catch(() => null);
    const [boot, ...due] = text?.split('\n').filter((line) => line !== '') ?? [];
    const mark = new BootMark(folder, bootId, boot === bootId ? new Set(due) : null);
    if (text === null) await mark.settle([]);
    return mark;
  }

  get isSettled(): boolean {
    return this.#due !== null;
  }

  /** These are due, and no others. */
  async settle(servers: Iterable<string>): Promise<void> {
    this.#due = new Set(servers);
    await this.#write();
  }

  isDue(server: string): boolean {
    return this.#due?.has(server) ?? false;
  }

  /** Crosses out all that are not among these. */
  async keep(servers: ReadonlySet<string>): Promise<void> {
    const kept = [...(this.#due ?? [])].filter((server) => servers.has(server));
    if (kept.length !== this.#due?.size) await this.settle(kept);
  }

  /** It has been started in this boot, or never will be. */
  async done(server: string): Promise<void> {
    if (this.#due?.delete(server)) await this.#write();
  }

  /** One after another: each writes what is due by then. */
  #write(): Promise<void> {
    this.#written = this.#written
      .catch(() => undefined)
      .then(async () => {
        const draft = join(this.#folder, `${MARK}.draft`);
        await writeFile(draft, [this.#bootId, ...(this.#due ?? []), ''].join('\n'), { flush: true });
        await rename(draft, join(this.#folder, MARK));
        // After a power cut it is what tells this boot from the next.
        await using names = await open(this.#folder, 'r');
        await names.sync();
      });
    return this.#written;
  }
}

const MARK = 'recovered-boot';
