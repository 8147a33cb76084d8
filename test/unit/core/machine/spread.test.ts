import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FRESH_BOOT_MS, firstConnectMs, spreadMs } from "../../../../src/core/machine/spread.ts";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

describe("a time of a node's own", () => {
  it("is always the same, within the range, and even over nodes", () => {
    const perSecond = new Array<number>(60).fill(0);
    for (let node = 0; node < 6_000; node++) {
      const ms = spreadMs(sha256(`n${node}`), 60_000);
      expect(ms).toBe(spreadMs(sha256(`n${node}`), 60_000));
      perSecond[Math.floor(ms / 1_000)] = (perSecond[Math.floor(ms / 1_000)] ?? 0) + 1;
    }
    // 100 each, give or take five standard deviations.
    for (const count of perSecond) expect(Math.abs(count - 100)).toBeLessThan(50);
    expect(perSecond).toHaveLength(60);
  });

  it("ends before the range, and is none in an empty one", () => {
    expect(spreadMs("f".repeat(64), 60_000)).toBe(59_999);
    expect(spreadMs("0".repeat(64), 60_000)).toBe(0);
    expect(spreadMs(sha256("n1"), 0)).toBe(0);
  });
});

describe("the first connection", () => {
  const after = { digest: sha256("n1 boot"), uptimeMs: 40_000, isRestart: false, rangeMs: 60_000 };

  it("waits after a power return, by node and boot", () => {
    expect(firstConnectMs(after)).toBe(spreadMs(after.digest, 60_000));
    expect(firstConnectMs(after)).toBeGreaterThan(0);
    expect(firstConnectMs({ ...after, digest: sha256("n1 other boot") })).not.toBe(firstConnectMs(after));
  });

  it("is at once when only the service was started again, or long after the boot, or when nothing is to be spread", () => {
    expect(firstConnectMs({ ...after, isRestart: true })).toBe(0);
    expect(firstConnectMs({ ...after, uptimeMs: FRESH_BOOT_MS + 1 })).toBe(0);
    expect(firstConnectMs({ ...after, rangeMs: 0 })).toBe(0);
  });
});
