import { describe, expect, it } from "vitest";
import { durationMs } from "../../src/core/units/time.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { dust, W } from "../support/dust.ts";
import { nodePlan } from "../support/plans.ts";
import { VirtualNode } from "../support/virtual-node.ts";

const PLAUSIBLE_BUT_WRONG = Date.UTC(2026, 10, 20, 3, 0, 0); // what fake-hwclock restores: some days ago
const RIGHT = Date.UTC(2026, 10, 23, 10, 0, 30);

async function running(clock: VirtualClock): Promise<VirtualNode> {
  const node = new VirtualNode(clock);
  await node.start(nodePlan([dust()]));
  return node;
}

function expectEachWindowOnce(node: VirtualNode): void {
  const starts = node.outbox.summaries().map(({ window }) => window.start);
  expect(new Set(starts).size).toBe(starts.length);
  expect(starts).toEqual([...starts].sort());
}

describe("P7: honest time", () => {
  it("P7: with a clock that nobody vouches for, no window is labelled, and status says why", async () => {
    const clock = new VirtualClock({ wallMs: PLAUSIBLE_BUT_WRONG });
    clock.trust = null;
    const node = await running(clock);
    await clock.advance(10 * W);
    expect(node.outbox.summaries()).toEqual([]);
    expect(node.node.status().status).toMatchObject({
      health: "failing",
      time: { state: "untrusted" },
      problems: [{ code: "TIME_UNTRUSTED" }],
    });
  });

  it("P7: what was measured before the clock was right is labelled with the right one, and nothing is missing", async () => {
    const clock = new VirtualClock({ wallMs: PLAUSIBLE_BUT_WRONG });
    clock.trust = null;
    const node = await running(clock);
    await clock.advance(2 * W);
    clock.stepWall(RIGHT - clock.wallMs());
    clock.trust = "synced";
    await clock.advance(3 * W);
    const summaries = node.outbox.summaries();
    expect(summaries.map(({ window }) => window.start).slice(0, 3)).toEqual([
      "2026-11-23T09:58:00Z",
      "2026-11-23T09:59:00Z",
      "2026-11-23T10:00:00Z",
    ]);
    expect(summaries.slice(1, 3)).toMatchObject([
      { stats: { samples: 60 }, coverage: 1, time: "synced" },
      { stats: { samples: 60 }, coverage: 1, time: "synced" },
    ]);
    expectEachWindowOnce(node);
  });

  it("P7: when nobody vouches for the clock any more, the offset of this boot holds, and summaries say so", async () => {
    const node = await running(new VirtualClock({ wallMs: RIGHT }));
    await node.clock.advance(2 * W);
    node.clock.trust = null;
    node.clock.stepWall(3_600_000);
    await node.clock.advance(3 * W);
    expect(node.outbox.summaries().at(-1)).toMatchObject({ time: "holdover", flags: ["holdover"] });
    expect(node.outbox.summaries().every(({ window }) => window.start < "2026-11-23T10:10:00Z")).toBe(true);
  });

  it("P7: after the holdover nothing is labelled any more, status says so, and nothing is missing when trust comes back", async () => {
    const clock = new VirtualClock({ wallMs: RIGHT });
    const node = new VirtualNode(clock);
    const { time } = nodePlan([]);
    await node.start(nodePlan([dust()], { time: { ...time, holdoverMs: durationMs(5 * W) } }));
    await clock.advance(2 * W);
    clock.trust = null;
    await clock.advance(8 * W);
    expect(node.node.status().status).toMatchObject({
      health: "failing",
      time: { state: "untrusted" },
      problems: [{ code: "TIME_UNTRUSTED" }],
    });
    expect(node.node.time.report()).toMatchObject({ because: "holdover-over", trusted: null });
    // Of 10:00:30 to 10:07:30 it knew; the window of 10:07 waits, half of it labelled.
    expect(node.outbox.summaries().at(-1)?.window.start).toBe("2026-11-23T10:06:00Z");
    clock.trust = "synced";
    await clock.advance(3 * W);
    expectEachWindowOnce(node);
    const whole = node.outbox.summaries().slice(1);
    expect(whole.map(({ window }) => window.start)).toEqual(
      Array.from({ length: 12 }, (_, minute) => `2026-11-23T10:${String(minute + 1).padStart(2, "0")}:00Z`),
    );
    for (const { stats, coverage } of whole) expect([stats?.samples, coverage]).toEqual([60, 1]);
    expect(new Set(whole.map(({ time: by }) => by))).toEqual(new Set(["synced", "holdover"]));
  });

  it("P7: where two can be asked and disagree, it waits, and says which", async () => {
    const clock = new VirtualClock({ wallMs: RIGHT });
    clock.testimonies = async () => [
      { witness: "timesyncd", says: "synced", errorMs: null },
      { witness: "kernel", says: "no", errorMs: null },
    ];
    const node = await running(clock);
    await clock.advance(3 * W);
    expect(node.outbox.summaries()).toEqual([]);
    expect(node.node.status().status.problems.map(({ code }) => code)).toEqual(["TIME_SOURCES_DISAGREE", "TIME_UNTRUSTED"]);
  });

  it("P7: status leaves while nothing may be labelled", async () => {
    const clock = new VirtualClock({ wallMs: PLAUSIBLE_BUT_WRONG });
    clock.trust = null;
    const node = await running(clock);
    await clock.advance(W);
    const [last] = node.broker.published.filter(({ topic }) => topic.endsWith("/status")).slice(-1);
    expect(JSON.parse(last?.text ?? "{}")).toMatchObject({ health: "failing", problems: [{ code: "TIME_UNTRUSTED" }] });
  });
});
