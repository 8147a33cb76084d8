import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SummaryBody } from "../../../../src/core/anonymise/body.ts";
import { groupBody, groupCoverage, type MemberWindow } from "../../../../src/core/anonymise/group.ts";
import { anonymise, Summary } from "../../../../src/core/anonymise/summary.ts";
import type { StreamPlan } from "../../../../src/core/reading/stream.ts";
import { sensorId, streamId } from "../../../../src/core/units/ids.ts";
import { epochMs } from "../../../../src/core/units/time.ts";
import { windowAt } from "../../../../src/core/window/lattice.ts";
import { noCoins } from "../../../support/coins.ts";
import { channelPlan, streamPlan, WINDOW_MS } from "../../../support/plans.ts";

const SUPPRESSED = { is: "reason", reason: "suppressed" };
const BAY = channelPlan({
  name: "state",
  quantity: "bay_state",
  kind: "state",
  unit: "1",
  sensitivity: "presence",
  states: ["free", "taken"],
  resolution: 1,
});
const ENERGY = channelPlan({
  name: "energy",
  quantity: "energy",
  kind: "counter",
  unit: "kW.h",
  sensitivity: "identifying",
  resolution: 0.001,
});
const POWER = channelPlan({ name: "power", quantity: "power", kind: "gauge", unit: "W", sensitivity: "identifying", resolution: 1 });

const groupOf = (channel: typeof BAY, count: number): StreamPlan =>
  streamPlan(channel, {
    policy: { is: "group", members: Array.from({ length: count }, (_, index) => streamId(sensorId(`m-${index}`), "s")) },
  });
const bay = (takenMs: number, coverage = 1): MemberWindow => ({
  coverage,
  statistic: { kind: "state", samples: 1, heldMs: [WINDOW_MS - takenMs, takenMs], transitions: 0 },
});
const meter = (sum: number, coverage = 1): MemberWindow => ({
  coverage,
  statistic: { kind: "counter", samples: 9, sum, peakPerHour: sum, steps: null },
});
const lot = (members: readonly MemberWindow[]): SummaryBody => groupBody(groupOf(BAY, members.length), members);
const homes = (members: readonly MemberWindow[]): SummaryBody => groupBody(groupOf(ENERGY, members.length), members);

describe("a parking lot", () => {
  it("is taken for so large a share of its time, in steps of 5 %", () => {
    const members = [...Array<MemberWindow>(13).fill(bay(WINDOW_MS)), ...Array<MemberWindow>(7).fill(bay(0))];
    expect(lot(members)).toEqual({ is: "stats", stats: { samples: null, share: { free: 0.35, taken: 0.65 }, transitions: null } });
  });

  it("says nothing when fewer than 20 of its bays were watched", () => {
    expect(lot(Array<MemberWindow>(19).fill(bay(0)))).toEqual(SUPPRESSED);
    expect(lot([...Array<MemberWindow>(19).fill(bay(0)), bay(0, 0.5)])).toEqual(SUPPRESSED);
    expect(lot([...Array<MemberWindow>(20).fill(bay(0)), bay(0, 0.5)])).not.toEqual(SUPPRESSED);
  });

  it("has shares that are whole steps, whatever its bays did", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(WINDOW_MS), { minLength: 20, maxLength: 40 }), (taken) => {
        const body = lot(taken.map((ms) => bay(ms)));
        if (body.is !== "stats") throw new Error("no statistic");
        for (const share of Object.values(body.stats.share as Record<string, number>)) {
          expect(Math.abs(share * 20 - Math.round(share * 20))).toBeLessThan(1e-9);
        }
      }),
    );
  });
});

describe("a street of households", () => {
  it("is the sum of their use, and nothing else", () => {
    expect(homes(Array<MemberWindow>(15).fill(meter(0.4)))).toEqual({ is: "stats", stats: { samples: null, sum: 6, peakPerHour: null } });
  });

  it("says nothing when one of them has more than 15 % of the sum", () => {
    const rest = Array<MemberWindow>(19).fill(meter(0.1));
    expect(homes([...rest, meter(0.33)])).not.toEqual(SUPPRESSED);
    expect(homes([...rest, meter(0.34)])).toEqual(SUPPRESSED);
  });

  it("says nothing when one of them is not there, since the next window would show it", () => {
    const rest = Array<MemberWindow>(19).fill(meter(0.1));
    expect(homes([...rest, meter(0.1, 0.8)])).toEqual(SUPPRESSED);
    expect(homes([...rest, { coverage: 1, statistic: null }])).toEqual(SUPPRESSED);
  });

  it("says nothing of fewer than 15, and of no use at all", () => {
    expect(homes(Array<MemberWindow>(14).fill(meter(0.1)))).toEqual(SUPPRESSED);
    expect(homes(Array<MemberWindow>(20).fill(meter(0)))).toEqual(SUPPRESSED);
  });

  it("adds up what they take and give back, and looks at the size of each", () => {
    const power = (mean: number): MemberWindow => ({
      coverage: 1,
      statistic: { kind: "gauge", samples: 9, mean, min: mean, max: mean, stddev: 0, p50: mean, p95: mean },
    });
    const members = [...Array<MemberWindow>(10).fill(power(300)), ...Array<MemberWindow>(10).fill(power(-200))];
    expect(groupBody(groupOf(POWER, 20), members)).toMatchObject({ is: "stats", stats: { samples: null, mean: 1_000, max: null } });
    expect(groupBody(groupOf(POWER, 20), [...members.slice(1), power(-2_000)])).toEqual(SUPPRESSED);
  });

  it("never shows a household that dominates, whatever the others use", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 15, maxLength: 40 }), (uses) => {
        const body = homes(uses.map((use) => meter(use / 1_000)));
        const total = uses.reduce((sum, use) => sum + use, 0);
        if (Math.max(...uses) > 0.15 * total + 1e-9) expect(body).toEqual(SUPPRESSED);
      }),
    );
  });
});

describe("a group as a summary", () => {
  const window = windowAt(epochMs(0), WINDOW_MS);
  const released = (stream: StreamPlan, members: readonly MemberWindow[], grant: "granted" | "unavailable" = "granted") =>
    anonymise(
      { stream, window, coverage: groupCoverage(members), statistic: { kind: "group", members }, flags: [], time: "synced" },
      noCoins,
      grant,
    );

  it("is published as minimum-count of its members", () => {
    const summary = released(groupOf(ENERGY, 15), Array<MemberWindow>(15).fill(meter(0.4)));
    expect(summary).toBeInstanceOf(Summary);
    expect(summary).toMatchObject({ privacy: { policy: "minimum-count", members: 15 }, coverage: 1 });
  });

  it("is not made of too few, or of what is not grouped, whatever the config check said", () => {
    const forbidden = { is: "withheld", because: "forbidden" };
    expect(released(groupOf(ENERGY, 14), Array<MemberWindow>(14).fill(meter(0.4)))).toEqual(forbidden);
    expect(released(groupOf(channelPlan(), 40), [])).toEqual(forbidden);
  });

  it("gives the reason when its terms are not in force, and when nobody was there", () => {
    const members = Array<MemberWindow>(15).fill(meter(0.4));
    expect(released(groupOf(ENERGY, 15), members, "unavailable")).toMatchObject({ body: { is: "reason", reason: "unavailable" } });
    expect(released(groupOf(ENERGY, 15), Array<MemberWindow>(15).fill(meter(0, 0)))).toMatchObject({ body: { reason: "missing" } });
  });
});
