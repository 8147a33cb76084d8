import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fraction, fractionOf, parseFraction } from "../../../../../src/core/anonymise/noise/fraction.ts";

describe("fraction", () => {
  it("is in lowest terms, with the sign above", () => {
    expect(fraction(6n, 4n)).toEqual({ num: 3n, den: 2n });
    expect(fraction(6n, -4n)).toEqual({ num: -3n, den: 2n });
    expect(fraction(0n, -7n)).toEqual({ num: 0n, den: 1n });
    expect(fraction(5n)).toEqual({ num: 5n, den: 1n });
    expect(() => fraction(1n, 0n)).toThrow("a fraction over zero");
  });

  it("is the same number as before, and nothing divides both of its parts", () => {
    const integer = fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n });
    fc.assert(
      fc.property(
        integer,
        integer.filter((den) => den !== 0n),
        fc.bigInt({ min: 1n, max: 1_000n }),
        (num, den, factor) => {
          const reduced = fraction(num * factor, den * factor);
          expect(reduced.den > 0n).toBe(true);
          expect(reduced.num * den).toBe(num * reduced.den);
          expect(fraction(reduced.num, reduced.den)).toEqual(reduced);
          expect(fraction(num, den)).toEqual(reduced);
        },
      ),
    );
  });
});

describe("parseFraction", () => {
  it.each([
    ["0.1", 1n, 10n],
    ["1", 1n, 1n],
    ["2", 2n, 1n],
    ["0.25", 1n, 4n],
    ["1.50", 3n, 2n],
    ["-0.5", -1n, 2n],
    ["0", 0n, 1n],
    ["2/6", 1n, 3n],
    ["-3/9", -1n, 3n],
    ["1.09861228866810969140", 5_493_061_443_340_548_457n, 5_000_000_000_000_000_000n],
  ])("reads %s", (text, num, den) => {
    expect(parseFraction(text)).toEqual({ num, den });
  });

  it("does not pass through a float", () => {
    // As doubles both are 0.1.
    expect(parseFraction("0.1000000000000000055")).not.toEqual(parseFraction("0.1"));
    expect(parseFraction("0.1")).toEqual(fraction(1n, 10n));
  });

  it.each([
    ...["", " ", "one", ".5", "5.", "1e3", "1E-3", "0x10", "+1", "1_000", "0,5", " 1", "1 ", "1\n", "1/0", "0/0", "1/", "/2", "1/2/3"],
    ...["1/-2", "1.5/2", "NaN", "Infinity", "1n", "--1", "1..2", "٣", "9".repeat(21), `0.${"1".repeat(21)}`, `1/${"9".repeat(41)}`],
  ])("refuses %j", (text) => {
    expect(parseFraction(text)).toBeNull();
    expect(() => fractionOf(text)).toThrow(`${JSON.stringify(text)} is no fraction: it must look like 2, 0.1 or 1/3`);
  });

  it("reads every decimal that it is given, to the digit", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 10n ** 15n }), fc.integer({ min: 1, max: 20 }), (digits, decimals) => {
        const padded = digits.toString().padStart(decimals + 1, "0");
        const text = `${padded.slice(0, -decimals)}.${padded.slice(-decimals)}`;
        expect(parseFraction(text)).toEqual(fraction(digits, 10n ** BigInt(decimals)));
      }),
    );
  });
});
