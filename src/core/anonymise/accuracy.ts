import type { Fraction } from "./noise/fraction.ts";
export function halfWidth95(scale: Fraction, terms: number): number {
  const s = Number(scale.num) / Number(scale.den);
  const a = Math.exp(-1 / s);
  if (terms === 1) {
    let c = 0;
    while ((2 * a ** (c + 1)) / (1 + a) > 0.05) c++;
    return c;
  }
  return Math.ceil(1.96 * Math.sqrt((terms * 2 * a) / (1 - a) ** 2));
}
