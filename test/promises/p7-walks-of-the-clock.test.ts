import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MARK } from "../../src/core/reading/record.ts";
import { DAY_MS, durationMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../../src/core/units/time.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { dust, W } from "../support/dust.ts";
import { nodePlan } from "../support/plans.ts";
import { announcedSeed } from "../support/seed.ts";
import { VirtualNode } from "../support/virtual-node.ts";

const BEGIN = Date.UTC(2026, 10, 23, 10, 0, 30);
const HOLDOVER_MS = 20 * MINUTE_MS;

type Action =
  | { readonly is: "pass"; readonly minutes: number }
  | { readonly is: "step"; readonly byMs: number }
  | { readonly is: "trust"; readonly trust: VirtualClock["trust"] }
  | { readonly is: "witnesses"; readonly count: 1 | 2 }
  | { readonly is: "accept" }
  | { readonly is: "restart" };

const STEPS_MS = [20 * SECOND_MS, 59 * SECOND_MS, 90 * SECOND_MS, 10 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS, 3 * DAY_MS, 20 * 365 * DAY_MS];
const step = fc.tuple(fc.constantFrom(...STEPS_MS), fc.constantFrom(1, -1)).map(([ms, sign]) => ({ is: "step" as const, byMs: ms * sign }));
const living: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ is: fc.constant("pass" as const), minutes: fc.integer({ min: 1, max: 15 }) }) },
  { weight: 5, arbitrary: step },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("trust" as const), trust: fc.constantFrom(null, "synced", "rtc") }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant("witnesses" as const), count: fc.constantFrom(1 as const, 2 as const) }) },
  { weight: 1, arbitrary: fc.constant<Action>({ is: "accept" }) },
);
const mortal: fc.Arbitrary<Action> = fc.oneof(
  { weight: 12, arbitrary: living },
  { weight: 1, arbitrary: fc.constant<Action>({ is: "restart" }) },
);

/** A machine whose clock is led anywhere, and the node on it, which is started anew now and then. */
class Walk {
  readonly clock = new VirtualClock({ wallMs: BEGIN });
  readonly first = new VirtualNode(this.clock);
  node = this.first;
  /** Summaries that were made while time was not trusted, or that do not say by what it was. */
  readonly unlabelled: string[] = [];

  async start(): Promise<void> {
    const { first } = this;
    if (this.node !== first) Object.assign(first.outbox, { closed: false });
    if (this.node !== first) Object.assign(first.live, { closed: false });
    const plan = nodePlan([dust()], { time: { source: "rtc", holdoverMs: durationMs(HOLDOVER_MS), maxWaitMs: durationMs(HOUR_MS) } });
    const { node } = this;
    await node.start(plan, {
      onMade: ({ summary }) => {
        if (node.node.time.state() === null || summary.time !== node.node.time.state()) this.unlabelled.push(`${summary.window.start}`);
      },
    });
  }

  async do(action: Action): Promise<void> {
    switch (action.is) {
      case "pass":
        return this.clock.advance(action.minutes * MINUTE_MS);
      case "step":
        return this.clock.stepWall(action.byMs);
      case "trust":
        this.clock.trust = action.trust;
        return;
      case "witnesses":
        this.clock.witnesses = action.count === 1 ? ["timesyncd"] : ["timesyncd", "kernel"];
        return;
      case "accept":
        this.node.node.time.accept();
        return;
      case "restart": {
        await this.node.stop();
        this.node = new VirtualNode(this.clock, { outbox: this.first.outbox, live: this.first.live });
        return this.start();
      }
    }
  }

  /** Whatever was done: no window twice, each labelled with a clock that was trusted, none with more than it is long. */
  expectHonest(): void {
    const summaries = this.first.outbox.summaries();
    const ids = summaries.map(({ id }) => id);
    expect(ids.length, "no window twice").toBe(new Set(ids).size);
    expect(this.unlabelled, "labelled with a clock that was not trusted").toEqual([]);
    for (const { window, coverage, prev } of summaries) {
      expect(Date.parse(window.start) % W).toBe(0);
      expect(coverage).toBeLessThanOrEqual(1);
      if (prev !== null)
        expect(
          ids.some((id) => id.endsWith(prev)),
          `prev of ${window.start} is a window that was published`,
        ).toBe(true);
    }
  }

  /** Every reading that is stored is published or waits; the others are counted. */
  expectNothingLost(): void {
    const { counters, balanced } = this.node.node.status().sensors["air-1"] ?? {};
    const published = this.first.outbox.summaries().reduce((sum, { stats }) => sum + (stats?.samples ?? 0), 0);
    const held = this.first.live.records().filter(({ marks }) => (marks & MARK.sample) !== 0).length;
    expect(balanced).toBe(true);
    expect(counters?.stored).toBe(published + held);
  }
}

const RUNS = 25;

describe("P7: wherever the clock goes", () => {
  it("P7: no window twice, none labelled while the clock is not trusted, no reading lost without being counted", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(living, { minLength: 5, maxLength: 25 }), async (actions) => {
        const walk = new Walk();
        await walk.start();
        for (const action of actions) await walk.do(action);
        await walk.clock.advance(2_000);
        walk.expectHonest();
        walk.expectNothingLost();
      }),
      { numRuns: RUNS, seed: announcedSeed("p7 walks"), endOnFailure: false },
    );
  }, 120_000);

  it("P7: nor when the process is started anew in between", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(mortal, { minLength: 5, maxLength: 25 }), async (actions) => {
        const walk = new Walk();
        await walk.start();
        for (const action of actions) await walk.do(action);
        walk.expectHonest();
      }),
      { numRuns: RUNS, seed: announcedSeed("p7 walks and restarts"), endOnFailure: false },
    );
  }, 120_000);
});
