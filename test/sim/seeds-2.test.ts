import { it } from "vitest";
import { announcedSeed } from "../support/seed.ts";
import { expectPromisesKept, range } from "./seeds.ts";

it("keeps every promise in the worlds 101 to 200", { timeout: 600_000 }, async () => {
  await expectPromisesKept("worlds 101 to 200", range(101, 200));
});

it("keeps every promise in 20 worlds that nobody has seen", { timeout: 300_000 }, async () => {
  const seed = announcedSeed("20 worlds from");
  await expectPromisesKept(`worlds ${seed} to ${seed + 19}`, range(seed, seed + 19));
});
