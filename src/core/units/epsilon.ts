import type { Brand } from "./brand.ts";

/**
 * Privacy budget in millionths of an epsilon. Whole numbers, so that sums and caps are exact: an epsilon has six decimals at most
 * and never passes through a float (CONTRACT §5, decimals).
 */
export type EpsilonMicro = Brand<number, "EpsilonMicro">;

export const MICRO_PER_EPSILON = 1_000_000;
/** The most that one event of one person may cost, by code and not by choice (CONTRACT §1). */
export const EPSILON_PER_EVENT_MAX = 2;
const DECIMALS = 6;
const PATTERN = /^(\d{1,9})(?:\.(\d{1,6}))?$/;

export const epsilonMicro = (millionths: number): EpsilonMicro => millionths as EpsilonMicro;

/** Reads `0.6` from its source text; null when it is not of that form. */
export function parseEpsilon(text: string): EpsilonMicro | null {
  const [, whole, decimals = ""] = PATTERN.exec(text) ?? [];
  return whole === undefined ? null : epsilonMicro(Number(`${whole}${decimals.padEnd(DECIMALS, "0")}`));
}

/** As a decimal, the way the file writes it: `0.6`, `1`. */
export function epsilonText(epsilon: EpsilonMicro): string {
  const digits = String(epsilon).padStart(DECIMALS + 1, "0");
  return `${digits.slice(0, -DECIMALS)}.${digits.slice(-DECIMALS)}`.replace(/\.?0+$/, "");
}

/** The JSON number that subscribers read. */
export const epsilonNumber = (epsilon: EpsilonMicro): number => Number(epsilonText(epsilon));

/** The exact fraction in lowest terms, for meta and reports: `3/5`. */
export function epsilonFraction(epsilon: EpsilonMicro): string {
  const common = greatestCommonDivisor(epsilon, MICRO_PER_EPSILON);
  return `${epsilon / common}/${MICRO_PER_EPSILON / common}`;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
