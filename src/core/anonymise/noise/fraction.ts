import { assert } from "../../assert.ts";

/** An exact rational number in lowest terms; the sign is the numerator's, `den` is above zero. */
export interface Fraction {
  readonly num: bigint;
  readonly den: bigint;
}

/** `num / den` in lowest terms. */
export function fraction(num: bigint, den: bigint = 1n): Fraction {
  assert(den !== 0n, "a fraction over zero");
  const divisor = greatestCommonDivisor(num, den) * (den < 0n ? -1n : 1n);
  return { num: num / divisor, den: den / divisor };
}

/** Euclid. Of `den` alone when `num` is 0, so that zero is 0/1. */
function greatestCommonDivisor(num: bigint, den: bigint): bigint {
  let [a, b] = [num < 0n ? -num : num, den < 0n ? -den : den];
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

// Twenty digits before and after the point are finer than a double; more is a mistake, or an attempt to keep the node busy.
const DECIMAL = /^(?<whole>-?\d{1,20})(?:\.(?<tail>\d{1,20}))?$/;
const QUOTIENT = /^(?<num>-?\d{1,40})\/(?<den>\d{1,40})$/;

/** Reads `2`, `0.1`, `-0.25` or `1/3`, digit by digit and never through a float; null when the text is none of these. */
export function parseFraction(text: string): Fraction | null {
  const { whole, tail = "" } = DECIMAL.exec(text)?.groups ?? {};
  if (whole !== undefined) return fraction(BigInt(whole + tail), 10n ** BigInt(tail.length));
  const { num, den } = QUOTIENT.exec(text)?.groups ?? {};
  if (num === undefined || den === undefined || BigInt(den) === 0n) return null;
  return fraction(BigInt(num), BigInt(den));
}

/** The same for text that was checked before, or stands in code: anything else is a bug of ours. */
export function fractionOf(text: string): Fraction {
  const parsed = parseFraction(text);
  assert(parsed !== null, `${JSON.stringify(text)} is no fraction: it must look like 2, 0.1 or 1/3`);
  return parsed;
}
