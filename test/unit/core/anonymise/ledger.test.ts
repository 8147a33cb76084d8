import { describe, expect, it } from "vitest";
import { type Charge, type ChargedSpan, Ledger } from "../../../../src/core/anonymise/ledger.ts";
import { epsilonMicro } from "../../../../src/core/units/epsilon.ts";
import { sensorId, streamId } from "../../../../src/core/units/ids.ts";
import { durationMs, epochMs, MINUTE_MS } from "../../../../src/core/units/time.ts";
import { windowAt } from "../../../../src/core/window/lattice.ts";

const CAP = epsilonMicro(1_000_000);
const DAY = Date.UTC(2026, 10, 23);

/** A charge of a stream for the window of `minutes` that starts so many minutes into the day. */
function charge(name: string, startMinute: number, minutes: number, micro: number, account = "node"): Charge {
  const windowMs = durationMs(minutes * MINUTE_MS);
  const window = windowAt(epochMs(DAY + startMinute * MINUTE_MS), windowMs);
  return { account, stream: streamId(sensorId("gate-1"), name), windowMs, window, epsilonMicro: epsilonMicro(micro) };
}

describe("the ledger", () => {
  it("keeps windows side by side as one span", () => {
    const ledger = new Ledger(CAP, []);
    const spans = [0, 15, 30].map((start) => ledger.charge(charge("passages", start, 15, 600_000)));
    expect(spans.at(-1)).toMatchObject({ fromMs: DAY, toMs: DAY + 45 * MINUTE_MS });
  });

  it("begins a new span after a gap, with another epsilon and on another lattice", () => {
    const ledger = new Ledger(CAP, []);
    const starts = [
      ledger.charge(charge("passages", 0, 15, 600_000)),
      ledger.charge(charge("passages", 30, 15, 600_000)),
      ledger.charge(charge("passages", 45, 15, 500_000)),
      ledger.charge(charge("passages", 60, 5, 500_000)),
    ].map((span) => (span as ChargedSpan).fromMs - DAY);
    expect(starts).toEqual([0, 30, 45, 60].map((minute) => minute * MINUTE_MS));
  });

  it("lets an account spend its cap on an event to the last millionth, and not one more", () => {
    const ledger = new Ledger(CAP, []);
    expect(ledger.charge(charge("passages", 0, 15, 600_000))).toMatchObject({ epsilonMicro: 600_000 });
    expect(ledger.charge(charge("speed", 0, 60, 400_001))).toBe("cap");
    expect(ledger.charge(charge("speed", 0, 60, 400_000))).toMatchObject({ epsilonMicro: 400_000 });
    expect(ledger.charge(charge("passages", 15, 15, 600_000))).toMatchObject({ epsilonMicro: 600_000 });
    expect(ledger.charge(charge("more", 50, 10, 1))).toMatchObject({ epsilonMicro: 1 });
  });

  it("looks at each instant of a long window, not at the sum over it", () => {
    const ledger = new Ledger(CAP, []);
    for (const start of [0, 15, 30, 45]) ledger.charge(charge("passages", start, 15, 500_000));
    expect(ledger.charge(charge("speed", 0, 60, 500_000))).toMatchObject({ epsilonMicro: 500_000 });
  });

  it("knows what overlaps only within the window", () => {
    const early = { ...charge("a", 0, 15, 900_000) };
    const ledger = new Ledger(CAP, []);
    ledger.charge(early);
    ledger.charge(charge("b", 0, 60, 100_000));
    // At minute 0 both cost 1 together; from minute 15 on there is room for 0.9.
    expect(ledger.charge(charge("c", 30, 15, 900_000))).toMatchObject({ epsilonMicro: 900_000 });
  });

  it("never charges a stream twice for the same time, whatever the epsilon", () => {
    const ledger = new Ledger(CAP, []);
    ledger.charge(charge("passages", 0, 15, 1));
    for (const [start, minutes] of [
      [0, 15],
      [0, 5],
      [10, 5],
      [0, 60],
    ] as const) {
      expect(ledger.charge(charge("passages", start, minutes, 1))).toBe("again");
    }
    expect(ledger.charge(charge("passages", 0, 15, 1, "other"))).toBe("again");
  });

  it("has a budget for each account", () => {
    const ledger = new Ledger(CAP, []);
    ledger.charge(charge("passages", 0, 15, 1_000_000));
    expect(ledger.charge(charge("path", 0, 15, 1_000_000, "cycle-path"))).toMatchObject({ account: "cycle-path" });
    expect(ledger.charge(charge("more", 0, 15, 1))).toBe("cap");
  });

  it("goes on from what was written down", () => {
    const first = new Ledger(CAP, []).charge(charge("passages", 0, 15, 1_000_000)) as ChargedSpan;
    const ledger = new Ledger(CAP, [first]);
    expect(ledger.charge(charge("passages", 0, 15, 1_000_000))).toBe("again");
    expect(ledger.charge(charge("speed", 0, 15, 1))).toBe("cap");
    expect(ledger.charge(charge("passages", 15, 15, 1_000_000))).toMatchObject({ fromMs: DAY, toMs: DAY + 30 * MINUTE_MS });
  });

  it("forgets what no window can touch any more, and nothing else", () => {
    const ledger = new Ledger(CAP, []);
    ledger.charge(charge("passages", 0, 15, 1_000_000));
    ledger.charge(charge("speed", 15, 15, 1_000_000));
    ledger.forget(epochMs(DAY + 15 * MINUTE_MS));
    expect(ledger.charge(charge("passages", 0, 15, 1_000_000))).toMatchObject({ epsilonMicro: 1_000_000 });
    expect(ledger.charge(charge("passages", 15, 15, 1))).toBe("cap");
  });
});
