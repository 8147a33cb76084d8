import { describe, expect, it } from "vitest";
import { BytePool, POOL_BYTES } from "../../../../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../../../../src/core/anonymise/noise/coins.ts";
import { discreteGaussian } from "../../../../../src/core/anonymise/noise/discrete-gaussian.ts";
import { discreteLaplace } from "../../../../../src/core/anonymise/noise/discrete-laplace.ts";
import { fraction } from "../../../../../src/core/anonymise/noise/fraction.ts";
import { seededBytes } from "../../../../support/noise/seeded-bytes.ts";

/** Gives 1, 2, 3 … 255, 1, 2 …: never a zero. */
const counting = () => {
  let given = 0;
  return {
    fillRandom(bytes: Uint8Array) {
      for (let index = 0; index < bytes.length; index++) bytes[index] = (given++ % 255) + 1;
    },
  };
};

describe("a pool of random bytes", () => {
  it("gives out each byte once, in order, over all its fills", () => {
    const pool = new BytePool(counting(), new Uint8Array(16));
    const taken = Array.from({ length: 100 }, () => pool.take());
    expect(taken).toEqual(Array.from({ length: 100 }, (_, index) => BigInt(index + 1)));
  });

  it("zeroes a byte as it is taken, and no other", () => {
    const memory = new Uint8Array(16);
    const pool = new BytePool(counting(), memory);
    for (let taken = 1; taken <= 16; taken++) {
      pool.take();
      expect([...memory]).toEqual(Array.from({ length: 16 }, (_, index) => (index < taken ? 0 : index + 1)));
    }
  });

  it("zeroes what is left when it is wiped, and never gives out the zeroes", () => {
    const memory = new Uint8Array(16);
    const pool = new BytePool(counting(), memory);
    pool.take();
    pool.wipe();
    expect(memory.every((byte) => byte === 0)).toBe(true);
    expect(pool.take()).toBe(17n);
  });

  it("holds no byte of a draw after it", () => {
    const memory = new Uint8Array(POOL_BYTES);
    const pool = new BytePool(counting(), memory);
    const coins = new PoolCoins(pool);
    discreteLaplace(coins, fraction(200n, 3n));
    const used = memory.findIndex((byte) => byte !== 0);
    expect(used).toBeGreaterThan(0);
    expect(memory.subarray(used)).not.toContain(0);
  });
});

/** Works `times` times, then breaks down with half of the bytes written. */
function failingAfter(times: number) {
  const source = seededBytes(1);
  let fills = 0;
  const failure = new Error("no entropy");
  return {
    failure,
    isMended: false,
    fillRandom(bytes: Uint8Array) {
      source.fillRandom(bytes);
      if (++fills > times && !this.isMended) {
        bytes.fill(0, bytes.length / 2);
        throw failure;
      }
    },
  };
}

describe("a random source that fails", () => {
  it.each([0, 1, 2, 7])("at its fill %i: the error reaches whoever wants to release, and the pool is empty", (times) => {
    const memory = new Uint8Array(32);
    const source = failingAfter(times);
    const coins = new PoolCoins(new BytePool(source, memory));
    const releases: bigint[] = [];
    const release = () => {
      for (;;) releases.push(42n + discreteLaplace(coins, fraction(3n)));
    };
    expect(release).toThrow(source.failure);
    const before = releases.length;
    expect(memory.every((byte) => byte === 0)).toBe(true);
    expect(() => discreteLaplace(coins, fraction(3n))).toThrow(source.failure); // it is asked again, and not drawn from the zeroes
    expect(() => discreteGaussian(coins, fraction(3n))).toThrow(source.failure);
    expect(releases).toHaveLength(before);
    source.isMended = true;
    expect(typeof discreteLaplace(coins, fraction(3n))).toBe("bigint");
  });

  it("by repeating one byte: a draw ends, with a number or with an error, whichever byte it is", () => {
    let stuck = 0;
    for (let byte = 0; byte < 256; byte++) {
      const coins = new PoolCoins(new BytePool({ fillRandom: (bytes) => void bytes.fill(byte) }));
      for (const draw of [() => discreteLaplace(coins, fraction(1n)), () => discreteGaussian(coins, fraction(5n, 3n))]) {
        try {
          draw();
        } catch (error) {
          expect(String(error)).toContain("repeats itself");
          stuck++;
        }
      }
    }
    expect(stuck).toBeGreaterThan(256);
  });
});
