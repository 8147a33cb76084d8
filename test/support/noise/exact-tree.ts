import type { Coins } from "../../../src/core/anonymise/noise/coins.ts";

/** The distribution of a sampler, computed and not sampled. */
export interface ExactDistribution {
  /** Weight of every way to each outcome that was followed to its end. */
  readonly found: ReadonlyMap<bigint, number>;
  /** Weight of the ways that were too unlikely to follow: every probability is at least `found`, and at most that much more. */
  readonly unfollowed: number;
}

class TooUnlikely extends Error {}

interface Fork {
  readonly weights: readonly number[];
  taken: number;
}

/** Coins that take the ways through a sampler one after the other, each with its weight, instead of one at random. */
class Walk implements Coins {
  readonly #forks: Fork[] = [];
  readonly #weightMin: number;
  #depth = 0;
  weight = 1;

  constructor(weightMin: number) {
    this.#weightMin = weightMin;
  }

  uniformBelow(n: bigint): bigint {
    return BigInt(this.#choose(new Array<number>(Number(n)).fill(1 / Number(n))));
  }

  bernoulli(num: bigint, den: bigint): boolean {
    const yes = Number(num) / Number(den);
    return this.#choose([1 - yes, yes]) === 1;
  }

  /** Back to the start, and on by another way. False when there is none left. */
  next(): boolean {
    this.#depth = 0;
    this.weight = 1;
    for (let fork = this.#forks.at(-1); fork; fork = this.#forks.at(-1)) {
      fork.taken = fork.weights.findIndex((weight, index) => index > (fork?.taken ?? 0) && weight > 0);
      if (fork.taken >= 0) return true;
      this.#forks.pop();
    }
    return false;
  }

  #choose(weights: readonly number[]): number {
    const fork = this.#forks[this.#depth] ?? { weights, taken: weights.findIndex((weight) => weight > 0) };
    this.#forks[this.#depth] = fork;
    this.#depth++;
    this.weight *= fork.weights[fork.taken] ?? 0;
    if (this.weight < this.#weightMin) throw new TooUnlikely();
    return fork.taken;
  }
}

/** Follows every sequence of draws that a sampler can make, as far as it has a weight of at least `weightMin`. */
export function exactDistribution(sampler: (coins: Coins) => bigint, weightMin: number): ExactDistribution {
  const walk = new Walk(weightMin);
  const found = new Map<bigint, number>();
  let unfollowed = 0;
  do {
    try {
      const outcome = sampler(walk);
      found.set(outcome, (found.get(outcome) ?? 0) + walk.weight);
    } catch (error) {
      if (!(error instanceof TooUnlikely)) throw error;
      unfollowed += walk.weight;
    }
  } while (walk.next());
  return { found, unfollowed };
}
