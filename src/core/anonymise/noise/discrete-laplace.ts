import { assert } from "../../assert.ts";
import { bernoulliExp } from "./bernoulli-exp.ts";
import { type Coins, ROUNDS_MAX, stuck } from "./coins.ts";
import type { Fraction } from "./fraction.ts";

/**
 * An integer x with probability (1 - a)/(1 + a) * a^|x|, a = exp(-1/scale): exactly, as Canonne, Kamath, Steinke 2020 (arXiv
 * 2004.00010), algorithm 2, draws it. Added to an integer of sensitivity d, with scale = d/epsilon, it makes a release that is
 * epsilon-differentially private.
 */
export function discreteLaplace(coins: Coins, scale: Fraction): bigint {
  assert(scale.num > 0n && scale.den > 0n, "noise of scale zero is none");
  for (let round = 0n; round < ROUNDS_MAX; round++) {
    const isNegative = coins.bernoulli(1n, 2n);
    const magnitude = geometric(coins, scale);
    // "-0" is drawn again: zero would otherwise come twice as often as it should, once with each sign.
    if (!isNegative) return magnitude;
    if (magnitude !== 0n) return -magnitude;
  }
  return stuck();
}

/**
 * A number y >= 0 with probability (1 - a) * a^y, a = exp(-1/scale). The loop and the last steps of algorithm 2, with t = scale.num
 * and s = scale.den: u + t * v is geometric with exp(-1/t), and its quotient by s is with exp(-s/t).
 */
function geometric(coins: Coins, { num: t, den: s }: Fraction): bigint {
  return (lowPart(coins, t) + t * runLength(coins)) / s;
}

/** u below t with probability in proportion to exp(-u/t). */
function lowPart(coins: Coins, t: bigint): bigint {
  for (let round = 0n; round < ROUNDS_MAX; round++) {
    const u = coins.uniformBelow(t);
    if (bernoulliExp(coins, u, t)) return u;
  }
  return stuck();
}

/** How many times in a row Bernoulli(exp(-1)) says yes. */
function runLength(coins: Coins): bigint {
  for (let length = 0n; length < ROUNDS_MAX; length++) {
    if (!bernoulliExp(coins, 1n, 1n)) return length;
  }
  return stuck();
}
