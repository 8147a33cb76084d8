import { rmSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import type { FreeBytes } from "./pressure.ts";

/** Blocks that one write of the ballast fills. */
const CHUNK_BYTES = 256 * 1024;

/**
 * A file of random bytes beside the database, which is deleted to make room: on a full disk nothing can be purged, for purging writes
 * too (reliability reference §1.4). Random, so that no file system saves the room by compressing it.
 */
export class Ballast {
  readonly #path: string;
  readonly #bytes: number;
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #free: FreeBytes;
  #making: Promise<void> | null = null;
  #isUnwanted = false;

  constructor(path: string, bytes: number, randomBytes: (count: number) => Uint8Array, free: FreeBytes) {
    this.#path = path;
    this.#bytes = bytes;
    this.#randomBytes = randomBytes;
    this.#free = free;
  }

  /** Gives the room away; false when there was none to give. */
  release(): boolean {
    this.#isUnwanted = true;
    let isReleased = false;
    for (const path of [this.#path, this.#unfinished]) {
      try {
        rmSync(path);
        isReleased = true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    return isReleased;
  }

  /** Takes the room again, beside other work, when as much stays free; whatever goes wrong, the disk has no room to spare. */
  restore(): Promise<void> {
    this.#making ??= this.#make()
      .catch(() => rm(this.#unfinished, { force: true }).catch(() => undefined))
      .finally(() => {
        this.#making = null;
      });
    return this.#making;
  }

  /** Nothing is written any more once this resolves. */
  close(): Promise<void> {
    this.#isUnwanted = true;
    return this.#making ?? Promise.resolve();
  }

  get #unfinished(): string {
    return `${this.#path}.new`;
  }

  async #make(): Promise<void> {
    this.#isUnwanted = false;
    const have = await open(this.#path, "r").catch(() => null);
    const { size } = (await have?.stat()) ?? { size: 0 };
    await have?.close();
    if (size === this.#bytes || (this.#free(this.#path) ?? 0) < 2 * this.#bytes) return;
    const file = await open(this.#unfinished, "w", 0o600);
    try {
      for (let at = 0; at < this.#bytes && !this.#isUnwanted; at += CHUNK_BYTES) await file.write(this.#randomBytes(CHUNK_BYTES));
      await file.sync();
    } finally {
      await file.close();
    }
    if (this.#isUnwanted) await rm(this.#unfinished, { force: true });
    else await rename(this.#unfinished, this.#path);
  }
}
