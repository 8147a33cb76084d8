import { describe, expect, it } from "vitest";
import { MARK } from "../../../src/core/reading/record.ts";
import { type EpochMs, epochMs } from "../../../src/core/units/time.ts";
import { LaneBench } from "../../support/lanes.ts";

const W = 10_000;

/** A lane whose clocks agree: monotonic time is wall time. */
function anchored(nowMs = 100_000): LaneBench {
  const bench = new LaneBench(W, { nowMs });
  bench.anchor(0, "first");
  return bench;
}

const coverage = (bench: LaneBench) => {
  const byWindow: Record<string, number> = {};
  for (const { window, coversMs } of bench.records()) byWindow[`${window}`] = (byWindow[`${window}`] ?? 0) + coversMs;
  return byWindow;
};

describe("before time is trusted", () => {
  it("stores without a window, and gives every later record one", () => {
    const bench = new LaneBench(W, { nowMs: 3_000 });
    bench.put(1);
    bench.pass(60_000);
    bench.put(2, { coversMs: 60_000 });
    expect(bench.lane.window).toBeNull();
    expect(bench.lane.monotonicOf(epochMs(0))).toBeNull();
    bench.anchor(1_000_000, "first");
    bench.put(3);
    expect(bench.samples()).toEqual(["1@null", "2@null", "3@1060000"]);
    expect(bench.lane.monotonicOf(epochMs(1_060_000))).toBe(60_000);
  });

  it("takes stragglers of the window before that in which time was trusted", () => {
    const bench = new LaneBench(W, { nowMs: 12_000 });
    bench.anchor(0, "first");
    expect([bench.put(1, { agoMs: 5_000 }), bench.put(2, { agoMs: 12_001 })]).toEqual([null, "late"]);
    expect(bench.samples()).toEqual(["1@0"]);
  });
});

describe("windows", () => {
  it("take a reading at their start, and not at their end", () => {
    const bench = anchored(109_999);
    bench.put(1);
    bench.pass(1);
    bench.put(2);
    expect(bench.samples()).toEqual(["1@100000", "2@110000"]);
  });

  it("split what a reading stands for exactly where they meet", () => {
    const bench = anchored(104_000);
    bench.put(1, { coversMs: 3_000 });
    bench.pass(8_500);
    bench.put(2, { coversMs: 8_500 });
    expect(coverage(bench)).toEqual({ 100000: 9_000, 110000: 2_500 });
    const share = bench.records().find(({ coversMs }) => coversMs === 6_000);
    expect(share).toMatchObject({ window: 100_000, atMs: 110_000, marks: 0 });
  });

  it("take a straggler into the window before, and one from before that is late", () => {
    const bench = anchored(100_000);
    bench.pass(10_000);
    bench.advance();
    expect([bench.put(1, { agoMs: 1, coversMs: 50_000 }), bench.put(2, { agoMs: 10_001 })]).toEqual([null, "late"]);
    expect(bench.samples()).toEqual(["1@100000"]);
    expect(coverage(bench)).toEqual({ 100000: 9_999 });
  });

  it("that are closed take nothing more", () => {
    const bench = anchored(115_000);
    bench.lane.closedTo = epochMs(110_000);
    expect([bench.put(1, { agoMs: 5_001 }), bench.put(2, { coversMs: 8_000 })]).toEqual(["late", null]);
    expect(coverage(bench)).toEqual({ 110000: 5_000 });
  });

  it("keep stragglers and coverage in their own window when nothing moved for longer than a window", () => {
    const bench = anchored(100_000);
    bench.put(1);
    bench.pass(35_000);
    bench.advance();
    // The kernel stamped it 7 s ago: in the window [120, 130), which was never the present one.
    expect(bench.put(2, { agoMs: 7_000 })).toBeNull();
    expect(bench.put(3, { agoMs: 25_000 })).toBe("late");
    bench.put(4, { coversMs: 20_000 });
    expect(bench.samples()).toEqual(["1@100000", "2@120000", "4@130000"]);
    expect(coverage(bench)).toEqual({ 100000: 0, 120000: 10_000, 130000: 5_000 });
  });

  it("tell how many of their records went to the store, until they are forgotten", () => {
    const bench = anchored(100_000);
    bench.put(1);
    bench.pass(10_000);
    bench.put(2);
    bench.put(3);
    bench.lane.flush();
    expect([bench.lane.appendedTo(epochMs(100_000)), bench.lane.appendedTo(epochMs(110_000))]).toEqual([1, 2]);
    bench.lane.forget(epochMs(100_000));
    expect([bench.lane.appendedTo(epochMs(100_000)), bench.lane.appendedTo(epochMs(110_000))]).toEqual([0, 2]);
  });
});

describe("a small step of the wall clock", () => {
  const marksByWindow = (bench: LaneBench) => bench.samples().map((sample, index) => [sample, marksOf(bench)[index]]);
  const marksOf = (bench: LaneBench) =>
    bench
      .records()
      .filter(({ marks }) => marks & 1)
      .map(({ marks }) => (marks & MARK.stepped) !== 0);

  it("ends the open window on the old offset, and marks it and the one that is longer or shorter than its label", () => {
    for (const byMs of [6_000, -6_000]) {
      const bench = anchored(101_000);
      bench.put(1);
      bench.anchor(byMs, "step");
      bench.put(2);
      bench.pass(8_999); // 1 ms before the old end
      bench.put(3);
      bench.pass(1);
      bench.put(4);
      bench.pass(byMs > 0 ? 4_000 : 16_000); // the new end of the next window
      bench.put(5);
      expect(marksByWindow(bench)).toEqual([
        ["1@100000", false],
        ["2@100000", true],
        ["3@100000", true],
        ["4@110000", true],
        ["5@120000", false],
      ]);
    }
  });

  it("is taken over once, however often NTP moves the clock a little after it", () => {
    const bench = anchored(101_000);
    bench.anchor(6_000, "step");
    bench.anchor(6_010, "adopt");
    bench.pass(9_000);
    bench.put(1);
    expect(bench.lane.monotonicOf(epochMs(110_000))).toBe(110_000);
    bench.pass(3_990);
    bench.put(2);
    expect(bench.samples()).toEqual(["1@110000", "2@120000"]);
  });
});

describe("a jump of the wall clock", () => {
  it("forward begins a new window at once and skips those in between", () => {
    const bench = anchored(101_000);
    bench.put(1);
    bench.anchor(3_600_000, "jump");
    bench.put(2, { coversMs: 500 });
    expect(bench.put(3, { agoMs: 500 })).toBeNull();
    expect(bench.samples()).toEqual(["1@100000", "3@100000", "2@3700000"]);
    expect(bench.lane.window).toBe(3_700_000);
    expect(coverage(bench)).toEqual({ 100000: 500, 3700000: 0 });
  });

  it("within the open window lets it go on, marked", () => {
    const bench = new LaneBench(900_000, { nowMs: 100_000 });
    bench.anchor(0, "first");
    bench.anchor(90_000, "jump");
    bench.put(1);
    bench.pass(709_999);
    bench.put(2);
    bench.pass(1);
    bench.put(3);
    expect(bench.samples()).toEqual(["1@0", "2@0", "3@900000"]);
    expect(bench.records().map(({ marks }) => marks & MARK.stepped)).toEqual([MARK.stepped, MARK.stepped, 0]);
  });

  it("back never enters a window again: what comes is late until the first new one", () => {
    const bench = anchored(121_000);
    bench.put(1);
    bench.anchor(-15_000, "jump"); // it is 106 s again; the window [120, 130) was entered
    expect(bench.put(2)).toBe("late");
    bench.pass(23_999);
    expect(bench.put(3)).toBe("late");
    bench.pass(1);
    expect(bench.put(4, { coversMs: 24_000 })).toBeNull();
    expect(bench.samples()).toEqual(["1@120000", "4@130000"]);
    expect(coverage(bench)).toEqual({ 120000: 0, 130000: 0 });
  });

  it("back and forth again waits no longer than it must", () => {
    const bench = anchored(121_000);
    bench.anchor(-100_000, "jump");
    expect(bench.put(1)).toBe("late");
    bench.pass(1_000);
    bench.anchor(0, "jump"); // it is 122 s: the window [120, 130) was left, [130, 140) was not entered
    expect(bench.put(2)).toBe("late");
    bench.pass(8_000);
    expect(bench.put(3)).toBeNull();
    bench.pass(10_000);
    expect(bench.put(4)).toBeNull();
    expect(bench.samples()).toEqual(["3@130000", "4@140000"]);
  });

  it("leaves a window where it began on the monotonic clock", () => {
    const bench = anchored(101_000);
    const before = bench.lane.monotonicOf(epochMs(100_000));
    bench.anchor(7_200_000, "jump");
    expect(bench.lane.monotonicOf(epochMs(100_000))).toBe(before);
    expect(bench.lane.monotonicOf(bench.lane.window as EpochMs)).toBe(101_000);
  });
});

describe("when time is lost", () => {
  const lost = (): LaneBench => {
    const bench = anchored(104_000);
    bench.put(1);
    bench.anchor(0, "lose");
    return bench;
  };

  it("what comes has no window, and no secret", () => {
    const bench = lost();
    bench.pass(3_000);
    bench.put(2);
    expect(bench.samples()).toEqual(["1@100000", "2@null"]);
    expect([bench.lane.window, bench.lane.secretAt(bench.nowMs, () => new Uint8Array(4))]).toEqual([null, null]);
  });

  it("goes on with the window that was open, under its secret and in its books, when time comes back in it", () => {
    const bench = anchored(104_000);
    const secret = bench.lane.secretAt(bench.nowMs, () => Uint8Array.of(1, 2, 3, 4));
    bench.put(1);
    bench.anchor(0, "lose");
    bench.pass(3_000);
    bench.anchor(300, "first");
    bench.put(3);
    expect(bench.samples()).toEqual(["1@100000", "3@100000"]);
    expect(bench.lane.secretAt(bench.nowMs, () => new Uint8Array(4))).toBe(secret);
    expect(bench.lane.appendedTo(epochMs(100_000))).toBe(2);
    expect(
      bench.records().some(({ marks }) => marks & MARK.stepped),
      "a slew is no step",
    ).toBe(false);
  });

  it("marks the window in which it comes back, when the clock was off by more than a slew", () => {
    const bench = lost();
    bench.anchor(501, "first");
    bench.put(2);
    expect(bench.records().map(({ marks }) => (marks & MARK.stepped) !== 0)).toEqual([false, true]);
  });

  it("forgets windows that were ahead, with their secrets, when it comes back from there", () => {
    const bench = anchored(500_000);
    const secret = bench.lane.secretAt(bench.nowMs, () => Uint8Array.of(1, 2, 3, 4));
    bench.anchor(0, "lose");
    bench.anchor(-400_000, "return");
    expect([...(secret ?? [])]).toEqual([0, 0, 0, 0]);
    bench.put(7);
    expect(bench.samples()).toEqual(["7@100000"]);
  });

  it("takes nothing for windows that were released when it was ahead", () => {
    const bench = anchored(104_000);
    bench.lane.setSpent([{ from: epochMs(110_000), to: epochMs(130_000) }]);
    const put: (string | null)[] = [];
    for (let value = 1; value <= 4; value++) {
      put.push(bench.put(value));
      bench.pass(W);
    }
    expect(put).toEqual([null, "late", "late", null]);
    bench.lane.setSpent([{ from: epochMs(130_000), to: epochMs(150_000) }]);
    bench.pass(-W);
    expect(bench.put(5), "also the one that is being filled").toBe("late");
  });
});
