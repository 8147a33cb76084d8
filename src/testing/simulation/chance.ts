import { Seeded } from "../driver-checks/seeded.ts";

/**
 * Chance from one seed, split by purpose: each purpose has numbers of its own, so that a new kind of fault does not move what the
 * others make of the same seed.
 */
export class Chance {
  readonly seed: number;

  constructor(seed: number) {
    this.seed = seed;
  }

  of(purpose: string): Dice {
    // FNV-1a (draft-eastlake-fnv): enough to tell purposes apart.
    let hash = 0x811c9dc5 ^ this.seed;
    for (let at = 0; at < purpose.length; at++) hash = Math.imul(hash ^ purpose.charCodeAt(at), 0x01000193);
    const dice = new Dice(hash ^ (hash >>> 15));
    dice.below(2); // the first number of neighbouring seeds is alike
    return dice;
  }
}

/** Random numbers of one purpose. */
export class Dice extends Seeded {
  /** A whole number in [least, most]. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True so many times out of a hundred. */
  percent(share: number): boolean {
    return this.below(100) < share;
  }

  /** A time until the next of events that come every `meanMs` on average, at least 1. */
  wait(meanMs: number): number {
    const share = (this.below(1_000_000) + 1) / 1_000_001;
    return Math.max(1, Math.round(-Math.log(share) * meanMs));
  }
}
