import { describe, expect, it } from "vitest";
import { settleTerms, type TermsBook, UNREADABLE } from "../../../../src/core/anonymise/terms.ts";
import type { NoisedPolicy, StreamPlan } from "../../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../../src/core/units/epsilon.ts";
import { DAY_MS, epochMs, HOUR_MS, MINUTE_MS } from "../../../../src/core/units/time.ts";
import { PASSAGES, SPEED, streamPlan } from "../../../support/plans.ts";

const MIDNIGHT = Date.UTC(2026, 10, 23);
const at = (hour: number) => epochMs(MIDNIGHT + hour * HOUR_MS);
const noised = (micro: number): NoisedPolicy => ({
  is: "noised",
  epsilonMicro: epsilonMicro(micro),
  accountMicro: epsilonMicro(1_000_000),
  bound: null,
});
const GATE = streamPlan(PASSAGES, { policy: noised(600_000) });
const SPEEDS = streamPlan(SPEED, { policy: noised(400_000) });

/** The book after a start at an hour, on top of an earlier one. */
function start(book: TermsBook | typeof UNREADABLE | null, hour: number, streams: readonly StreamPlan[], damaged = 0): TermsBook {
  return settleTerms(book, { now: at(hour), born: at(hour - 1), streams, damaged });
}

const sinceOf = (book: TermsBook, { id }: StreamPlan): number | undefined => {
  const since = book.streams[id]?.since;
  return since === undefined ? undefined : (since - MIDNIGHT) / HOUR_MS;
};

describe("terms", () => {
  it("of a new store are in force since it was made", () => {
    const book = start(null, 10, [GATE, SPEEDS]);
    expect([sinceOf(book, GATE), sinceOf(book, SPEEDS)]).toEqual([9, 9]);
  });

  it("that stay the same stay in force over a restart", () => {
    expect(start(start(null, 10, [GATE]), 15, [GATE])).toEqual(start(null, 10, [GATE]));
  });

  it.each([
    ["epsilon", { ...GATE, policy: noised(500_000) }],
    ["window", { ...GATE, windowMs: (5 * MINUTE_MS) as typeof GATE.windowMs }],
    ["account", { ...GATE, account: "cycle-path" }],
    ["policy", streamPlan(PASSAGES)],
    ["cells", { ...GATE, channel: { ...PASSAGES, cells: {} } }],
    ["bound of an event", { ...GATE, channel: { ...PASSAGES, maxPerPassage: 2 } }],
  ])("of which the %s changes wait for the next day of UTC", (_, changed) => {
    const book = start(start(null, 10, [GATE]), 15, [changed]);
    expect(sinceOf(book, changed)).toBe(24);
    expect(book.busyUntil).toEqual({ node: MIDNIGHT + DAY_MS, "sensor:air-1": MIDNIGHT + DAY_MS });
  });

  it("of a new name in an account that told something today wait too", () => {
    const renamed = { ...GATE, id: "air-1.counts" as typeof GATE.id };
    expect(sinceOf(start(start(null, 10, [GATE]), 15, [renamed]), renamed)).toBe(24);
    const book = start(start(null, 10, [GATE]), 15, [GATE, SPEEDS]);
    expect([sinceOf(book, GATE), sinceOf(book, SPEEDS)]).toEqual([9, 24]);
  });

  it("do not come back early by being dropped in between", () => {
    const dropped = start(start(null, 10, [GATE]), 15, []);
    expect(sinceOf(start(dropped, 16, [GATE]), GATE)).toBe(24);
    expect(sinceOf(start(dropped, 25, [GATE]), GATE)).toBe(25);
  });

  it("of an account that never told anything are in force at once", () => {
    const path = streamPlan(SPEED, { sensor: "gate-2", account: "cycle-path", policy: noised(400_000) });
    expect(sinceOf(start(start(null, 10, [GATE]), 15, [GATE, path]), path)).toBe(15);
  });

  it("of the same sensor wait under whatever account: the people in front of it are the same", () => {
    const moved = { ...SPEEDS, account: "cycle-path" };
    expect(sinceOf(start(start(null, 10, [GATE]), 15, [moved]), moved)).toBe(24);
  });

  it("that cannot be read any more all wait", () => {
    expect(sinceOf(start(UNREADABLE, 15, [GATE]), GATE)).toBe(24);
  });

  it("are paused to the next day when the ledger is damaged, once", () => {
    const damaged = start(start(null, 10, [GATE]), 15, [GATE], 2);
    expect(damaged.pausedUntil).toBe(MIDNIGHT + DAY_MS);
    expect(start(damaged, 30, [GATE], 2).pausedUntil).toBe(MIDNIGHT + DAY_MS);
    expect(start(damaged, 30, [GATE], 3).pausedUntil).toBe(MIDNIGHT + 2 * DAY_MS);
  });
});
