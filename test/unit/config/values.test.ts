import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decimal, durationText, parseDuration, parseSize, secret, textOrReference } from "../../../src/config/values.ts";

describe("a duration", () => {
  it.each([
    ["500ms", 500],
    ["30s", 30_000],
    ["15m", 900_000],
    ["1h", 3_600_000],
    ["30d", 2_592_000_000],
    ["0s", 0],
  ])("%s is %i ms", (text, length) => expect(parseDuration(text)).toBe(length));

  it.each(["", "15", "m", "15min", "1.5h", "-1s", "+1s", " 1s", "1 s", "1S", "01s", "1e3s", "1h30m", "9999999999s", "１s"])(
    "%j is not one",
    (text) => expect(parseDuration(text)).toBeNull(),
  );

  it("is written as it is read", () => {
    fc.assert(
      fc.property(fc.nat(1e9), fc.constantFrom("ms", "s", "m", "h", "d"), (count, unit) => {
        const length = parseDuration(`${count % 1e6}${unit}`) ?? Number.NaN;
        expect(parseDuration(durationText(length))).toBe(length);
      }),
    );
    expect([900_000, 90_000, 86_400_000, 1_500, 0].map(durationText)).toEqual(["15m", "90s", "1d", "1500ms", "0s"]);
  });
});

describe("a size", () => {
  it("counts in thousands, as SI does", () => {
    expect(["7B", "64KB", "256MB", "1GB"].map(parseSize)).toEqual([7, 64_000, 256_000_000, 1_000_000_000]);
  });

  it.each(["", "64", "64kb", "64KiB", "1.5MB", "-1KB", "1 KB", "01KB", "9999999KB"])("%j is not one", (text) =>
    expect(parseSize(text)).toBeNull(),
  );
});

describe("a decimal", () => {
  it("keeps its source text, digit by digit", () => {
    expect(["1", "0.1", "0.10", "2.000000"].map((text) => decimal(2).parse(text))).toEqual(["1", "0.1", "0.10", "2.000000"]);
  });

  it.each(["0", "0.0", "2.000001", "2.0000000000000000001", "-1", "1e0", ".5", "1.", "01", "NaN", "", " 1"])("refuses %j", (text) =>
    expect(decimal(2).safeParse(text).success).toBe(false),
  );
});

describe("a secret", () => {
  it("is only ever a reference", () => {
    for (const ref of [{ credential: "broker-password" }, { file: "/etc/stoep/secret" }, { env: "BROKER_PASSWORD" }]) {
      expect(secret().parse(ref)).toEqual(ref);
    }
  });

  it.each(["hunter2", 12_345_678, { env: "hunter2; rm" }, { file: "x", env: "hunter2" }, { password: "hunter2" }, ["hunter2"]])(
    "refuses %j and does not repeat it",
    (value) => {
      const { success, error } = secret().safeParse(value);
      expect(success).toBe(false);
      expect(error?.issues.map(({ message }) => message).join()).not.toMatch(/hunter2|12345678/);
    },
  );

  it("cannot climb out of the folder of credentials", () => {
    expect(secret().safeParse({ credential: "../../etc/shadow" }).success).toBe(false);
  });
});

describe("text or a reference", () => {
  it("takes both", () => {
    expect(textOrReference("text").parse("n0042")).toBe("n0042");
    expect(textOrReference("text").parse({ env: "USER" })).toEqual({ env: "USER" });
    expect(textOrReference("text").safeParse("").success).toBe(false);
  });
});
