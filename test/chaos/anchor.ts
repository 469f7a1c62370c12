import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { GuestConsole } from '#stack/guest/console.ts';
import type { Rig } from './rig.ts';

/** A volume that the guest uses throughout; its data must survive everything. */
export class Anchor {
  readonly #guest: GuestConsole;
  readonly #disk: string;
  readonly #file: string;
  #words = 0;

  private constructor(guest: GuestConsole, disk: string, file: string) {
    this.#guest = guest;
    this.#disk = disk;
    this.#file = file;
  }

  static async attach(rig: Rig): Promise<Anchor> {
    const volume = await rig.volume('in-use', 'anchor');
    const serial = volume.slice(0, 20);
    const [, disk = ''] = await rig.guest.waitFor(
      new RegExp(`^guest: disk (\\w+) added serial=${serial}`, 'm'),
    );
    const anchor = new Anchor(rig.guest, disk, join(rig.stack.runDir, `volumes/volume-${volume}`));
    await anchor.#write();
    return anchor;
  }

  /** What the guest wrote is on the storage host, and it can read and write on. */
  async verify(): Promise<void> {
    await this.#guest.command(`read ${this.#disk} ${BLOCKS} ${BLOCK}`);
    const file = await open(this.#file);
    const { buffer } = await file.read(Buffer.alloc(BLOCKS * BLOCK), 0, BLOCKS * BLOCK, 0);
    await file.close();
    const word = `word-${this.#words}\n`;
    assert.equal(
      buffer.toString(),
      word.repeat(Math.ceil(buffer.length / word.length)).slice(0, buffer.length),
    );
    await this.#write();
  }

  /** Another word each time, so that no old data passes for new. */
  async #write(): Promise<void> {
    this.#words += 1;
    await this.#guest.command(`write ${this.#disk} ${BLOCKS} ${BLOCK} word-${this.#words}`);
  }
}

const [BLOCKS, BLOCK] = [64, 65_536];
