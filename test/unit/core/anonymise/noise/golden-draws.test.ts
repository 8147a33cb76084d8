import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BytePool } from "../../../../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../../../../src/core/anonymise/noise/coins.ts";
import { discreteGaussian } from "../../../../../src/core/anonymise/noise/discrete-gaussian.ts";
import { discreteLaplace } from "../../../../../src/core/anonymise/noise/discrete-laplace.ts";
import { fractionOf } from "../../../../../src/core/anonymise/noise/fraction.ts";
import { seededBytes } from "../../../../support/noise/seeded-bytes.ts";

const SAMPLERS = { "discrete-laplace": discreteLaplace, "discrete-gaussian": discreteGaussian };
const lines = readFileSync(join(import.meta.dirname, "golden-draws.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

// A change of the draws from given bytes is no mistake by itself; it has to be meant, and looked at. No other library has published
// such vectors: these let one be compared with ours.
describe("draws from a fixed key stream stay as they were frozen", () => {
  it.each(lines)("%s", (line) => {
    const [, name = "", parameter = "", draws = ""] = /^(\S+) (\S+): (.*)$/.exec(line) ?? [];
    const sampler = SAMPLERS[name as keyof typeof SAMPLERS];
    const coins = new PoolCoins(new BytePool(seededBytes(0)));
    const drawn = draws.split(" ").map(() => sampler(coins, fractionOf(parameter)));
    expect(drawn.join(" ")).toBe(draws);
  });

  it("there are some, of both samplers", () => {
    expect(lines.filter((line) => line.startsWith("discrete-laplace")).length).toBeGreaterThan(5);
    expect(lines.filter((line) => line.startsWith("discrete-gaussian")).length).toBeGreaterThan(3);
  });
});
