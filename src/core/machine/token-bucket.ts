/**
 * A limit of so many a second: a second's worth may go at once, then each waits for its turn. Time is given with each call, and
 * must not go back.
 */
export class TokenBucket {
  readonly #perSecond: number;
  #tokens: number;
  #atMs = 0;

  /** Null: no limit. */
  constructor(perSecond: number | null) {
    this.#perSecond = perSecond ?? Number.POSITIVE_INFINITY;
    this.#tokens = this.#perSecond;
  }

  /** How long until one may go: 0 is now. */
  waitMs(nowMs: number): number {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return 0;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((nowMs - this.#atMs) * this.#perSecond) / 1_000);
    this.#atMs = nowMs;
    // A thousandth is what adding up fractions may lack.
    return this.#tokens >= 0.999 ? 0 : Math.ceil(((1 - this.#tokens) * 1_000) / this.#perSecond);
  }

  /** One goes. Only after `waitMs` was 0. */
  take(): void {
    this.#tokens -= 1;
  }
}
