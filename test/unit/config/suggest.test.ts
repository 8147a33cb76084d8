import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { didYouMean, editDistance, listed, nearest } from "../../../src/config/suggest.ts";

describe("editDistance", () => {
  it.each([
    ["", "", 0],
    ["window", "window", 0],
    ["windw", "window", 1],
    ["wnidow", "window", 1],
    ["sds11", "sds011", 1],
    ["kitten", "sitting", 3],
    ["", "abc", 3],
  ])("from %j to %j is %i", (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  it("is the same both ways, and zero only between equals", () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, b)).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});

describe("nearest", () => {
  const keys = ["window", "policy", "k", "lateness", "warn"];

  it("finds what was mistyped, whatever its case", () => {
    expect(nearest("Windw", keys)).toBe("window");
    expect(nearest("polcy", keys)).toBe("policy");
  });

  it("finds what a longer or shorter word starts with", () => {
    expect(nearest("warning", keys)).toBe("warn");
    expect(nearest("late", keys)).toBe("lateness");
  });

  it("does not guess at random", () => {
    expect(nearest("colour", keys)).toBeNull();
    expect(nearest("wi", keys)).toBeNull();
    expect(nearest("x".repeat(10_000), keys)).toBeNull();
  });

  it("becomes a question, or nothing", () => {
    expect(didYouMean("windw", keys)).toBe('; did you mean "window"?');
    expect(didYouMean("colour", keys)).toBe("");
  });
});

describe("listed", () => {
  it("reads as a sentence does", () => {
    expect([listed([]), listed(["a"]), listed(["a", "b"]), listed([1, 2, 3], "and")]).toEqual(["", "a", "a or b", "1, 2 and 3"]);
  });
});
