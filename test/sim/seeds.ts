import { expect } from "vitest";
import { findingText, Tally, world } from "./worlds.ts";

/** Runs these worlds; fails with the first in which a promise was broken, and prints what they came to. */
export async function expectPromisesKept(what: string, seeds: readonly number[]): Promise<Tally> {
  const tally = new Tally();
  for (const seed of seeds) {
    const report = await world(seed);
    expect(findingText(report)).toBeNull();
    tally.add(report);
  }
  console.log(`${what}: ${tally.text()}`);
  return tally;
}

export const range = (first: number, last: number): readonly number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
