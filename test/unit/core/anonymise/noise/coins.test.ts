import { describe, expect, it } from "vitest";
import { BytePool } from "../../../../../src/core/anonymise/noise/byte-pool.ts";
import { type Coins, PoolCoins } from "../../../../../src/core/anonymise/noise/coins.ts";
import { chiSquaredCheck, failed, Histogram } from "../../../../support/noise/checks.ts";
import { ModuloCoins } from "../../../../support/noise/mutants.ts";
import { seededBytes } from "../../../../support/noise/seeded-bytes.ts";

const WANTS_MORE = new Error("wants more bytes");

/** How often each result comes when every possible sequence of `length` bytes is tried once; those that are drawn again are left out. */
function outcomes(n: bigint, length: number, coinsOf: (pool: BytePool) => Coins): number[] {
  const counts = new Array<number>(Number(n)).fill(0);
  for (let sequence = 0; sequence < 256 ** length; sequence++) {
    let fills = 0;
    const source = {
      fillRandom(bytes: Uint8Array) {
        if (fills++ > 0) throw WANTS_MORE;
        for (let index = 0; index < length; index++) bytes[index] = sequence >> (8 * index);
      },
    };
    try {
      const outcome = Number(coinsOf(new BytePool(source, new Uint8Array(length))).uniformBelow(n));
      counts[outcome] = (counts[outcome] ?? 0) + 1;
    } catch (error) {
      if (error !== WANTS_MORE) throw error;
    }
  }
  return counts;
}

const isEven = (counts: readonly number[]): boolean => counts.every((count) => count === counts[0]);
const fair = (pool: BytePool): Coins => new PoolCoins(pool);
const biased = (pool: BytePool): Coins => new ModuloCoins(pool);

describe("uniformBelow", () => {
  it("gives each result for equally many bytes, for every n of one byte: counted, not sampled", () => {
    for (let n = 2; n <= 256; n++) {
      const counts = outcomes(BigInt(n), 1, fair);
      expect(counts).toEqual(new Array<number>(n).fill(Math.floor(256 / n)));
      expect(isEven(outcomes(BigInt(n), 1, biased))).toBe(256 % n === 0); // the mutant is found wherever it is wrong
    }
  });

  it.each([257, 1_000, 32_769, 65_535, 65_536])("and for every pair of bytes, for n = %i", (n) => {
    expect(outcomes(BigInt(n), 2, fair)).toEqual(new Array<number>(n).fill(Math.floor(65_536 / n)));
  });

  it("takes no byte to choose from one", () => {
    const source = {
      fillRandom() {
        throw WANTS_MORE;
      },
    };
    expect(new PoolCoins(new BytePool(source)).uniformBelow(1n)).toBe(0n);
  });

  it.each([65_537n, 1_000_003n, 2n ** 30n, 2n ** 64n + 13n, 10n ** 40n])("is even below %i", (n) => {
    const bins = 97n;
    const check = (coins: Coins) => {
      const histogram = Histogram.of(60_000, () => (coins.uniformBelow(n) * bins) / n);
      return chiSquaredCheck(
        "even",
        Array.from({ length: 97 }, (_, bin) => [histogram.count(bin), 60_000 / 97] as const),
      );
    };
    expect(failed([check(new PoolCoins(new BytePool(seededBytes(Number(n % 1_000n)))))])).toEqual([]);
  });

  it("refuses to draw from nothing", () => {
    const coins = new PoolCoins(new BytePool(seededBytes(1)));
    expect(() => coins.uniformBelow(0n)).toThrow("a draw from nothing");
    expect(() => coins.bernoulli(3n, 2n)).toThrow("a probability outside 0 to 1");
    expect(() => coins.bernoulli(-1n, 2n)).toThrow("a probability outside 0 to 1");
    expect([coins.bernoulli(0n, 5n), coins.bernoulli(5n, 5n)]).toEqual([false, true]);
  });
});
