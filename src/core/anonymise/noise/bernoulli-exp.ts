import { assert } from "../../assert.ts";
import { type Coins, ROUNDS_MAX, stuck } from "./coins.ts";

/**
 * True with probability exp(-num/den), num/den >= 0. Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential Privacy"
 * (arXiv 2004.00010), algorithm 1: exp(-x) of a large x is a product of exp(-1) and one exp(-rest).
 */
export function bernoulliExp(coins: Coins, num: bigint, den: bigint): boolean {
  assert(num >= 0n && den > 0n, "a rate below zero");
  let rest = num;
  for (; rest > den; rest -= den) {
    if (!bernoulliExpUpToOne(coins, 1n, 1n)) return false;
  }
  return bernoulliExpUpToOne(coins, rest, den);
}

/**
 * Algorithm 1 for x = num/den in [0, 1]: of trials with probabilities x/1, x/2, x/3 … let the first failure be the k-th. It is so
 * with probability x^(k-1)/(k-1)! - x^k/k!, and the sum of that over odd k is the series of exp(-x).
 */
function bernoulliExpUpToOne(coins: Coins, num: bigint, den: bigint): boolean {
  for (let k = 1n; k < ROUNDS_MAX; k++) {
    if (!coins.bernoulli(num, den * k)) return k % 2n === 1n;
  }
  return stuck();
}
