import { describe, expect, it } from "vitest";
import { coverageOf } from "../../../../src/core/window/coverage.ts";
import { readingsOf } from "../../../support/readings.ts";

const covering = (...coversMs: readonly number[]) => readingsOf(coversMs.map((one) => ({ coversMs: one, marks: 0 })));

describe("coverageOf", () => {
  it("is 0 without a record and 0 when no record covers anything", () => {
    expect(coverageOf(covering(), 10_000)).toBe(0);
    expect(coverageOf(covering(0, 0), 10_000)).toBe(0);
  });

  it("is 1 when the records cover the window", () => {
    expect(coverageOf(covering(4_000, 6_000), 10_000)).toBe(1);
  });

  it("is rounded down, so that a gap shows", () => {
    expect(coverageOf(covering(9_980), 10_000)).toBe(0.99);
    expect(coverageOf(covering(899_000), 900_000)).toBe(0.99);
  });

  it("is not 0 when something was covered: that would keep a reading from being told", () => {
    expect(coverageOf(covering(1), 900_000)).toBe(0.01);
    expect(coverageOf(covering(0.001), 900_000)).toBe(0.01);
  });

  it("does not take the rounding of a clock for a gap", () => {
    expect(coverageOf(covering(9_999), 10_000)).toBe(1);
    expect(coverageOf(covering(899_950), 900_000)).toBe(1);
  });

  it("gives every hundredth as itself", () => {
    for (let percent = 1; percent <= 100; percent++) expect(coverageOf(covering(percent * 100), 10_000)).toBe(percent / 100);
  });

  it("does not exceed 1 when a stepped window held more time than its label", () => {
    expect(coverageOf(covering(35_000), 10_000)).toBe(1);
  });
});
