import { type Backoff, backoffMs } from "../core/machine/backoff.ts";
import type { Clock } from "../ports/clock.ts";
import type { Crypto } from "../ports/crypto.ts";

/** When something that failed is tried again: soon at first, later as it goes on failing, at once after it went well. */
export class Patience {
  readonly #world: { readonly clock: Clock; readonly crypto: Pick<Crypto, "jitter"> };
  readonly #backoff: Backoff;
  #failures = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(world: { readonly clock: Clock; readonly crypto: Pick<Crypto, "jitter"> }, backoff: Backoff) {
    this.#world = world;
    this.#backoff = backoff;
  }

  /** Does `work`, which tells whether it went well. False also when it is too early to try again: nothing was done then. */
  async try(work: () => Promise<boolean>): Promise<boolean> {
    const { clock, crypto } = this.#world;
    if (clock.monotonicMs() < this.#notBeforeMs) return false;
    const isDone = await work();
    this.#failures = isDone ? 0 : this.#failures + 1;
    this.#notBeforeMs = isDone
      ? Number.NEGATIVE_INFINITY
      : clock.monotonicMs() + backoffMs(this.#backoff, this.#failures - 1, crypto.jitter());
    return isDone;
  }
}
