import { randomInt } from "node:crypto";

/** A seed, printed so that a finding can be had again: `STOEP_SEED=123 npx vitest run FILE`. */
export function announcedSeed(what: string): number {
  const given = process.env.STOEP_SEED;
  const seed = given === undefined ? randomInt(2 ** 31) : Number(given);
  console.log(`${what}: STOEP_SEED=${seed}`);
  return seed;
}
