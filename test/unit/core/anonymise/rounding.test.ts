import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decimalsOf, rounded } from "../../../../src/core/anonymise/rounding.ts";

describe("decimalsOf", () => {
  it.each([
    [1, 0],
    [5, 0],
    [0.5, 1],
    [0.1, 1],
    [0.25, 2],
    [0.01, 2],
    [0.001, 3],
    [0.2794, 4],
    [1e-6, 6],
  ])("of %d are %d", (resolution, decimals) => {
    expect(decimalsOf(resolution)).toBe(decimals);
  });

  it("end where JSON would need an exponent", () => {
    expect(decimalsOf(1e-9)).toBe(6);
    expect(decimalsOf(1 / 3)).toBe(6);
  });
});

describe("rounded", () => {
  it.each([
    [12.3449, 2, 12.34],
    [12.345, 0, 12],
    [-0.04, 1, 0],
    [-0.06, 1, -0.1],
    [0.1 + 0.2, 10, 0.3],
    [1e15 + 0.75, 0, 1e15 + 1],
  ])("%d to %d decimals is %d", (value, decimals, expected) => {
    expect(rounded(value, decimals)).toBe(expected);
  });

  it("is never -0", () => {
    for (const value of [-0, -0.4, -1e-12]) expect(Object.is(rounded(value, 0), 0)).toBe(true);
  });

  it("has no exponent in JSON, however small", () => {
    expect(JSON.stringify([rounded(3e-7, 7), rounded(-2e-9, 9), rounded(1.5e-6, 9)])).toBe("[0,0,0.000002]");
  });

  it("is a plain decimal number in JSON, with no more decimals than asked for", () => {
    const value = fc.oneof(fc.double({ min: -1e9, max: 1e9, noNaN: true }), fc.double({ min: -1e-4, max: 1e-4, noNaN: true }));
    fc.assert(
      fc.property(value, fc.integer({ min: 0, max: 10 }), (number, decimals) => {
        const text = JSON.stringify(rounded(number, decimals));
        expect(text).toMatch(/^(0|-?(?!0$)\d+(\.\d+)?)$/);
        expect(text.split(".")[1]?.length ?? 0).toBeLessThanOrEqual(decimals);
        expect(Math.abs(Number(text) - number)).toBeLessThanOrEqual(
          0.5 * 10 ** -Math.min(decimals, 6) * (1 + 1e-6) + 1e-9 * Math.abs(number),
        );
      }),
    );
  });
});
