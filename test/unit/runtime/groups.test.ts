import { describe, expect, it } from "vitest";
import type { ChannelPlan, StreamPlan } from "../../../src/core/reading/stream.ts";
import { sensorId, streamId } from "../../../src/core/units/ids.ts";
import { CloserBench } from "../../support/closers.ts";
import { channelPlan, PASSAGES, SPEED, streamPlan, WINDOW_MS } from "../../support/plans.ts";

const WITHHELD = { is: "withheld" } as const;
const GROUP = sensorId("lot-a");

const bay = (index: number): ChannelPlan =>
  channelPlan({
    ...{ name: `bay${index}`, quantity: "bay_state", kind: "state", unit: "1", sensitivity: "presence" },
    ...{ states: ["free", "taken"], range: [0, 1], resolution: 1 },
  });

const meter = (index: number): ChannelPlan =>
  channelPlan({
    ...{ name: `meter${index}`, quantity: "energy", kind: "counter", unit: "kW.h", sensitivity: "identifying" },
    ...{ range: [0, 100], resolution: 0.001 },
  });

/** Withheld streams of these channels, and the group that they are. */
function groupOf(channels: readonly ChannelPlan[], name: string): readonly StreamPlan[] {
  const members = channels.map((channel) => streamPlan(channel, { policy: WITHHELD, group: GROUP }));
  const [first] = members as [StreamPlan];
  const policy = { is: "group", members: members.map(({ id }) => id) } as const;
  return [...members, { ...first, id: streamId(GROUP, name), sensor: GROUP, name, policy, group: null }];
}

describe("a lot of parking bays", () => {
  const bays = Array.from({ length: 20 }, (_, index) => bay(index));

  it("leaves as one number, and none of its bays does", async () => {
    const bench = new CloserBench(groupOf(bays, "occupancy"));
    bench.open(null);
    for (const [index, { name }] of bays.entries()) bench.read(index < 13 ? 1 : 0, name);
    await bench.pass(2 * WINDOW_MS + WINDOW_MS / 2);
    expect(new Set(bench.summaries().map(({ sensor, stream }) => `${sensor}.${stream}`))).toEqual(new Set(["lot-a.occupancy"]));
    const last = bench.summaries().at(-1);
    expect(last).toMatchObject({
      id: expect.stringContaining("n0042/lot-a.occupancy/PT15M/"),
      kind: "state",
      privacy: { policy: "minimum-count", members: 20 },
      stats: { samples: null, share: { free: 0.35, taken: 0.65 }, transitions: null },
      coverage: 1,
    });
    expect(bench.counters.balanced).toBe(true);
    expect(bench.live.records().filter(({ window }) => window !== null && window < bench.clock.wallMs() - 2 * WINDOW_MS)).toEqual([]);
  });

  it("says that it is suppressed when one of twenty was never heard, and goes on when it is", async () => {
    const bench = new CloserBench(groupOf(bays, "occupancy"));
    bench.open(null);
    for (const { name } of bays.slice(1)) bench.read(0, name);
    await bench.pass(2 * WINDOW_MS);
    expect(bench.summaries().at(-1)?.reason).toBe("suppressed");
    bench.read(0, "bay0");
    await bench.pass(3 * WINDOW_MS);
    expect(bench.summaries().at(-1)?.stats).toMatchObject({ share: { free: 1, taken: 0 } });
  });
});

describe("a street of meters", () => {
  const meters = Array.from({ length: 15 }, (_, index) => meter(index));

  it("is the sum of all, and nothing in a window in which one of them stands out", async () => {
    const bench = new CloserBench(groupOf(meters, "energy"));
    bench.open(null);
    const use = (largest: number): void => {
      for (const [index, { name }] of meters.entries()) bench.read(index === 0 ? largest : 0.2, name);
    };
    await bench.pass(WINDOW_MS / 2);
    use(0.2);
    await bench.pass(WINDOW_MS);
    use(5);
    await bench.pass(WINDOW_MS);
    expect(bench.summaries().map(({ stats, reason }) => stats?.sum ?? reason)).toEqual([3, "suppressed"]);
  });
});

describe("a group of which a member means something else since a restart", () => {
  it("does not add up what the member said before: it is missing from that window", async () => {
    const meters = Array.from({ length: 15 }, (_, index) => meter(index));
    const use = (bench: CloserBench): void => {
      for (const { name } of meters) bench.read(0.2, name);
    };
    const first = new CloserBench(groupOf(meters, "energy"));
    first.open(null);
    await first.pass(WINDOW_MS / 4);
    use(first);
    await first.pass(1_000);
    const { clock, live, outbox } = first;
    const corrected = meters.map((one, index) => (index === 1 ? { ...one, calibration: { scale: 2, offset: 0 } } : one));
    const second = new CloserBench(groupOf(corrected, "energy"), { clock, live, outbox });
    second.open(null);
    await second.pass(WINDOW_MS / 2);
    use(second);
    await second.pass(WINDOW_MS);
    use(second);
    await second.pass(WINDOW_MS);
    expect(second.summaries().map(({ stats, reason }) => stats?.sum ?? reason)).toEqual(["suppressed", 3.2]);
  });
});

describe("two tables of counts of one sensor", () => {
  it("leave side by side as long as neither gives the other away", async () => {
    const policy = { is: "minimum-count", k: 5 } as const;
    const bench = new CloserBench([streamPlan(PASSAGES, { policy }), streamPlan(SPEED, { policy })]);
    bench.open(null);
    const pass = (count: number, direction: "towards" | "away", speedKmh: number): void => {
      for (let index = 0; index < count; index++) bench.intake.passage("passages", { direction, speedKmh }, bench.clock.monotonicMs());
    };
    await bench.pass(WINDOW_MS / 2);
    for (const speedKmh of [20, 40, 60, 100]) {
      pass(5, "towards", speedKmh);
      pass(5, "away", speedKmh);
    }
    await bench.pass(WINDOW_MS);
    // 23 of one speed, 20 towards: that 3 went away would be there for the taking.
    pass(20, "towards", 40);
    pass(3, "away", 40);
    await bench.pass(WINDOW_MS);
    const told = bench.summaries().map(({ stream, reason }) => `${stream} ${reason ?? "counts"}`);
    expect(told.slice(0, 4)).toEqual(["passages counts", "speed counts", "passages counts", "speed suppressed"]);
  });
});
