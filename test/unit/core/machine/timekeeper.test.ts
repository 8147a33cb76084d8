import { describe, expect, it } from "vitest";
import { NO_VERDICT, type Verdict } from "../../../../src/core/machine/testimony.ts";
import {
  beginUntrusted,
  errorOf,
  labelled,
  RETURN_AFTER_MS,
  SMALL_STEP_MS_MAX,
  stepTime,
  type TimeEffect,
  type TimeKeeping,
} from "../../../../src/core/machine/timekeeper.ts";
import { DAY_MS, epochMs, HOUR_MS, monotonicMs } from "../../../../src/core/units/time.ts";

const OFFSET_MS = 1_795_428_000_000;
const RULES = { holdoverMs: DAY_MS, earliestMs: epochMs(1_700_000_000_000) };

/** A machine that is asked once a second. */
class Keeper {
  state: TimeKeeping;
  monoMs = 5_000;
  offsetMs = OFFSET_MS;
  verdict: Verdict = { ...NO_VERDICT, by: "synced", witnesses: 1 };
  effects: TimeEffect[] = [];

  constructor(lastMs: number | null = null) {
    this.state = beginUntrusted(lastMs === null ? null : epochMs(lastMs));
  }

  get #instant() {
    return { monoMs: monotonicMs(this.monoMs), wallMs: epochMs(this.monoMs + this.offsetMs) };
  }

  /** What came of it. */
  look(forMs = 0, everyMs = 1_000): readonly TimeEffect[] {
    const before = this.effects.length;
    for (let left = forMs; left > 0; left -= everyMs) {
      this.monoMs += Math.min(everyMs, left);
      this.#take({ type: "sample", ...this.#instant, verdict: this.verdict });
    }
    if (forMs === 0) this.#take({ type: "sample", ...this.#instant, verdict: this.verdict });
    return this.effects.slice(before);
  }

  accept(): readonly TimeEffect[] {
    const before = this.effects.length;
    this.#take({ type: "accepted", ...this.#instant });
    return this.effects.slice(before);
  }

  #take(event: Parameters<typeof stepTime>[1]): void {
    const step = stepTime(this.state, event, RULES);
    this.state = step.state;
    this.effects.push(...step.effects);
  }
}

const trusted = (changes?: (keeper: Keeper) => void): Keeper => {
  const keeper = new Keeper();
  keeper.look();
  changes?.(keeper);
  return keeper;
};
const nobody = (keeper: Keeper): Keeper => Object.assign(keeper, { verdict: NO_VERDICT });
const two = (keeper: Keeper): Keeper => Object.assign(keeper, { verdict: { ...NO_VERDICT, by: "synced", witnesses: 2 } });

describe("trust", () => {
  it("is not given while nobody vouches for the wall clock", () => {
    const keeper = nobody(new Keeper());
    expect(keeper.look(HOUR_MS)).toEqual([]);
    expect(keeper.state).toMatchObject({ is: "untrusted", because: "nobody-vouches" });
  });

  it.each(["synced", "rtc", "gps", "operator"] as const)("is given when %s vouches", (by) => {
    const keeper = new Keeper();
    keeper.verdict = { ...NO_VERDICT, by, witnesses: 1 };
    expect(keeper.look()).toEqual([
      { type: "trusted", by },
      { type: "anchor", offsetMs: OFFSET_MS, how: "first" },
    ]);
    expect(keeper.state).toMatchObject({ is: "trusted", by, offsetMs: OFFSET_MS });
  });

  it("says why when two disagree, once", () => {
    const keeper = new Keeper();
    keeper.verdict = { ...NO_VERDICT, isContradicted: true };
    expect(keeper.look(10_000)).toEqual([{ type: "untrusted", because: "sources-disagree" }]);
  });

  it("is not given to a clock from before there was this software, and no operator can", () => {
    const keeper = new Keeper();
    keeper.offsetMs = RULES.earliestMs - keeper.monoMs - 1;
    expect(keeper.look()).toEqual([{ type: "untrusted", because: "too-early" }]);
    expect(keeper.accept()).toEqual([]);
    keeper.offsetMs++;
    keeper.look();
    expect(keeper.state.is).toBe("trusted");
  });
});

describe("steps", () => {
  it.each([
    [1, "adopt"],
    [500, "adopt"],
    [501, "step"],
    [60_000, "step"],
    [60_001, "jump"],
    [86_400_000, "jump"],
  ])("takes a change of %d ms forwards for: %s", (byMs, how) => {
    const keeper = trusted();
    keeper.offsetMs += byMs;
    expect(keeper.look().at(-1)).toEqual({ type: "anchor", offsetMs: OFFSET_MS + byMs, how });
  });

  it.each([
    [-1, "adopt"],
    [-500, "adopt"],
    [-501, "step"],
    [-60_000, "step"],
  ])("follows a change of %d ms back as: %s", (byMs, how) => {
    const keeper = trusted();
    keeper.offsetMs += byMs;
    expect(keeper.look().at(-1)).toMatchObject({ type: "anchor", how });
  });

  it("does nothing for a clock that runs well, and does not take many slews for a step", () => {
    const keeper = trusted();
    expect(keeper.look(10_000)).toEqual([]);
    for (let second = 0; second < 1_000; second++) {
      keeper.offsetMs += 400;
      expect(keeper.look(1_000)).toMatchObject([{ type: "anchor", how: "adopt" }]);
    }
  });
});

describe("holdover", () => {
  it("keeps the offset of the boot, and does not follow the wall clock", () => {
    const keeper = nobody(trusted());
    expect(keeper.look(1_000)).toEqual([{ type: "holdover", because: "nobody-vouches" }]);
    keeper.offsetMs += 7 * HOUR_MS;
    expect(keeper.look(HOUR_MS)).toEqual([]);
    expect(keeper.state).toMatchObject({ is: "holdover", offsetMs: OFFSET_MS });
  });

  it("ends after as long as the file says, not before", () => {
    const keeper = nobody(trusted());
    keeper.look(1);
    keeper.look(DAY_MS - 1, 60_000);
    expect(keeper.state.is).toBe("holdover");
    expect(keeper.look(1)).toEqual([{ type: "lose" }, { type: "untrusted", because: "holdover-over" }]);
    expect(keeper.look(HOUR_MS)).toEqual([]);
    keeper.verdict = { ...NO_VERDICT, by: "gps", witnesses: 1 };
    expect(keeper.look(1)).toMatchObject([{ type: "trusted" }, { type: "anchor", how: "first" }]);
  });

  it("begins anew each time that trust comes and goes", () => {
    const keeper = trusted();
    for (let day = 0; day < 3; day++) {
      nobody(keeper).look(DAY_MS - 60_000, 60_000);
      two(keeper).look(1_000);
    }
    expect(keeper.effects.map(({ type }) => type)).not.toContain("lose");
  });

  it("measures a step against the offset that was kept", () => {
    const keeper = nobody(trusted());
    keeper.look(HOUR_MS, 60_000);
    keeper.offsetMs += 30_000;
    expect(two(keeper).look(1)).toMatchObject([{ type: "trusted" }, { type: "stepped", size: "small" }, { how: "step" }]);
  });

  it("strays by 15 ppm on top of what was known, and by what nobody knows when nothing was", () => {
    const keeper = trusted();
    expect(errorOf(keeper.state, monotonicMs(keeper.monoMs))).toBeNull();
    keeper.verdict = { ...keeper.verdict, errorMs: 12 };
    keeper.look(1_000);
    expect(errorOf(keeper.state, monotonicMs(keeper.monoMs))).toBe(12);
    nobody(keeper).look(1);
    keeper.look(HOUR_MS, 60_000);
    expect(errorOf(keeper.state, monotonicMs(keeper.monoMs))).toBeCloseTo(12 + HOUR_MS * 15e-6, 6);
  });
});

describe("the last trusted time", () => {
  const later = OFFSET_MS + 30 * DAY_MS;

  it("is not gone below, by whatever one witness says, until the clock has caught up", () => {
    const keeper = new Keeper(OFFSET_MS + HOUR_MS);
    expect(keeper.look()).toEqual([{ type: "untrusted", because: "below-last-trusted" }]);
    expect(keeper.look(HOUR_MS - SMALL_STEP_MS_MAX - 10_000, 10_000)).toEqual([]);
    keeper.look(10_000);
    expect(keeper.state.is).toBe("trusted");
  });

  it("is left for an earlier one after two witnesses agreed on it for ten minutes", () => {
    const keeper = two(new Keeper(later));
    keeper.look();
    expect(keeper.look(RETURN_AFTER_MS - 1, 1_000)).toEqual([]);
    expect(keeper.look(1)).toMatchObject([{ type: "trusted" }, { type: "anchor", how: "return", offsetMs: OFFSET_MS }]);
    expect(keeper.state.lastMs).toBe(keeper.monoMs + OFFSET_MS);
  });

  it.each<[string, (keeper: Keeper) => void]>([
    ["one of them falls silent", (keeper) => (keeper.verdict = { ...keeper.verdict, witnesses: 1 })],
    ["nobody vouches any more", (keeper) => (keeper.verdict = NO_VERDICT)],
    ["the clock is stepped again", (keeper) => (keeper.offsetMs += 700)],
  ])("begins to count anew when %s", (_, disturb) => {
    const keeper = two(new Keeper(later));
    keeper.look(RETURN_AFTER_MS - 1_000);
    disturb(keeper);
    keeper.look(1_000);
    two(keeper).look(RETURN_AFTER_MS - 1_000);
    expect(keeper.state.is).toBe("untrusted");
    keeper.look(2_000);
    expect(keeper.state.is).toBe("trusted");
  });

  it("is left at once when the operator says so", () => {
    const keeper = nobody(new Keeper(later));
    keeper.look();
    expect(keeper.accept()).toMatchObject([
      { type: "trusted", by: "operator" },
      { type: "anchor", how: "return" },
    ]);
    expect(keeper.look(1_000)).toMatchObject([{ type: "holdover" }]);
  });

  it("makes a clock that was trusted lose that first, when it goes far back", () => {
    const keeper = trusted();
    keeper.offsetMs -= HOUR_MS;
    expect(keeper.look(1_000)).toEqual([{ type: "lose" }, { type: "untrusted", because: "below-last-trusted" }]);
    const held = nobody(trusted());
    held.look(1_000);
    held.offsetMs -= HOUR_MS;
    expect(held.accept()).toMatchObject([{ type: "lose" }, { type: "trusted" }, { type: "anchor", how: "return" }]);
  });

  it("is that of the holdover, too", () => {
    const keeper = nobody(trusted());
    keeper.look(5 * HOUR_MS, 60_000);
    keeper.offsetMs -= 2 * HOUR_MS;
    keeper.verdict = { ...NO_VERDICT, by: "synced", witnesses: 1 };
    expect(keeper.look(1_000)).toMatchObject([{ type: "lose" }, { type: "untrusted", because: "below-last-trusted" }]);
  });
});

it("labels a monotonic instant with whole milliseconds of wall time", () => {
  expect(labelled({ offsetMs: OFFSET_MS }, monotonicMs(12.75))).toBe(OFFSET_MS + 12);
});
