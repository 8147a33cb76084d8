/** Where random bytes come from: the system's generator in a node, a seeded one in tests. */
export interface RandomBytes {
  /** Fills all of `bytes`. Throws when there is no randomness to be had: then nothing may be released. */
  fillRandom(bytes: Uint8Array): void;
}

/**
 * How many bytes are fetched at once. A draw takes about 6, and what a release leaves over is thrown away: 4 KiB serve 700 draws. A
 * call of the system's generator costs 1.5 us however few bytes it brings, so a larger pool would only make draws faster by 1 %.
 */
export const POOL_BYTES = 4_096;

/**
 * Random bytes in stock, each given out once. A byte is zeroed as it is taken, all of them when the source fails, so that whoever
 * reads the memory later cannot take the noise off again. (The integers computed from them are the engine's: it frees, never zeroes.)
 */
export class BytePool {
  readonly #source: RandomBytes;
  readonly #bytes: Uint8Array;
  /** Everything before it is used. */
  #next: number;

  /** `bytes` is the memory of the pool; a test brings its own to look into it. */
  constructor(source: RandomBytes, bytes: Uint8Array = new Uint8Array(POOL_BYTES)) {
    this.#source = source;
    this.#bytes = bytes;
    this.#next = bytes.length;
  }

  /** The next byte. Fails as the source fails, and has nothing in stock then. */
  take(): bigint {
    if (this.#next === this.#bytes.length) this.#refill();
    const byte = this.#bytes[this.#next] as number;
    this.#bytes[this.#next] = 0;
    this.#next++;
    return BigInt(byte);
  }

  /** Zeroes what is left. The next byte is a fresh one. */
  wipe(): void {
    this.#bytes.fill(0);
    this.#next = this.#bytes.length;
  }

  #refill(): void {
    try {
      this.#source.fillRandom(this.#bytes);
      this.#next = 0;
    } catch (error) {
      this.wipe(); // it may have filled a part
      throw error;
    }
  }
}
