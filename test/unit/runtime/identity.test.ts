import { describe, expect, it } from "vitest";
import { MARK } from "../../../src/core/reading/record.ts";
import type { NoisedPolicy } from "../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { MINUTE_MS } from "../../../src/core/units/time.ts";
import { CloserBench } from "../../support/closers.ts";
import { IntakeBench } from "../../support/intakes.ts";
import { channelPlan, LATENESS_MS, streamPlan, WINDOW_MS } from "../../support/plans.ts";

const NOISED: NoisedPolicy = { is: "noised", epsilonMicro: epsilonMicro(1_000_000), accountMicro: epsilonMicro(1_000_000), bound: null };
const DEVICES = channelPlan({
  name: "devices",
  quantity: "devices",
  kind: "identity",
  unit: "1",
  sensitivity: "identifying",
  resolution: 1,
});
const STREAM = streamPlan(DEVICES, { policy: NOISED });
const address = (last: number): Uint8Array => Uint8Array.of(0xa4, 0xc1, 0x38, 0x00, 0x00, last);

function bench(isTrusted = true): IntakeBench {
  const intakes = new IntakeBench([DEVICES], [STREAM], { isTrusted });
  intakes.open();
  return intakes;
}

const hashes = (intakes: IntakeBench): readonly number[] => {
  intakes.ingest.flush();
  return intakes.live
    .records()
    .filter(({ marks }) => marks & MARK.sample)
    .map(({ value }) => value);
};

describe("an identifier", () => {
  it("is zeroed where it came from, and its hash is stored", () => {
    const intakes = bench();
    const bytes = address(1);
    intakes.intake.identity("devices", bytes, intakes.nowMs);
    expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0]);
    const [hash = 0] = hashes(intakes);
    expect(Number.isSafeInteger(hash)).toBe(true);
    expect(hash).toBeLessThan(2 ** 48);
  });

  it("is the same number within a window and another in the next, so that nobody can be followed", () => {
    const intakes = bench();
    for (const last of [1, 2, 1]) intakes.intake.identity("devices", address(last), intakes.nowMs);
    intakes.pass(WINDOW_MS + 1_000);
    intakes.intake.identity("devices", address(1), intakes.nowMs);
    const [first, second, again, next] = hashes(intakes);
    expect(again).toBe(first);
    expect(second).not.toBe(first);
    expect([first, second]).not.toContain(next);
  });

  it("is dropped and counted while no window is known, since its secret would not be its window's", () => {
    const intakes = bench(false);
    const bytes = address(1);
    intakes.intake.identity("devices", bytes, intakes.nowMs);
    expect(intakes.books()).toEqual({ emitted: 1, "clock-untrusted": 1 });
    expect([...bytes]).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

describe("the secret of a window", () => {
  it("is destroyed when the window is forgotten", () => {
    const intakes = bench();
    const lane = intakes.ingest.lane("identifying", WINDOW_MS, LATENESS_MS);
    const secret = lane.secretAt(intakes.nowMs, () => new Uint8Array(32).fill(9)) ?? new Uint8Array(0);
    expect(secret[0]).toBe(9);
    lane.forget(lane.window ?? (0 as never));
    expect([...secret].every((byte) => byte === 0)).toBe(true);
  });
});

describe("a distinct count", () => {
  it("counts each device once in a window, with noise", async () => {
    const closers = new CloserBench([STREAM]);
    closers.open(null);
    await closers.pass(2 * WINDOW_MS, () => {
      for (const last of [1, 2, 3]) closers.intake.identity("devices", address(last), closers.clock.monotonicMs());
    });
    await closers.pass(WINDOW_MS);
    const counts = closers.summaries().flatMap(({ stats }) => (stats === undefined ? [] : [stats.distinct ?? Number.NaN]));
    expect(counts.length).toBeGreaterThan(0);
    // Noise of scale 1: twelve or more happens once in 100,000 draws, and these coins are always the same.
    for (const count of counts) expect(Math.abs(count - 3)).toBeLessThan(12);
  });

  it("of a window that began before this run is not released: its secret died with the run that made it", async () => {
    const first = new CloserBench([STREAM]);
    first.open(null);
    await first.pass(2 * WINDOW_MS + 5 * MINUTE_MS);
    const { clock, live, outbox } = first;
    const second = new CloserBench([STREAM], { clock, live, outbox });
    second.open(null);
    await second.pass(2 * WINDOW_MS);
    const reasons = second.summaries().map(({ window, reason }) => [window.start, reason ?? "number"]);
    const broken = reasons.find(([start]) => new Date(String(start)).getTime() + WINDOW_MS > second.clock.wallMs() - 2 * WINDOW_MS);
    expect(broken?.[1]).toBe("unavailable");
    expect(reasons.at(-1)?.[1]).toBe("number");
  });
});
