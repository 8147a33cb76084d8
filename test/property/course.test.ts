import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DurationMs, durationMs, type EpochMs, epochMs } from "../../src/core/units/time.ts";
import { comeBack, FREE_SPANS_MAX, LOST, moveOn, type Place, STRAIGHT, settled, spentSpans } from "../../src/core/window/course.ts";
import { windowStart } from "../../src/core/window/lattice.ts";

const CATCH_UP = 3;

/** A stream as the close schedule leads it, with whatever clock: what it released, in order. */
class Walker {
  place: Place;
  readonly windowMs: DurationMs;
  readonly released: EpochMs[] = [];
  readonly returns: Place[] = [];

  constructor(windowMs: number, at: number) {
    this.windowMs = durationMs(windowMs);
    this.place = { closedTo: windowStart(epochMs(at), this.windowMs), course: STRAIGHT };
  }

  /** The clock shows `now`, and is believed. */
  walk(now: EpochMs, mayComeBack: boolean): void {
    const back = mayComeBack ? comeBack(this.place, now, this.windowMs) : null;
    if (back !== null) {
      this.place = back;
      this.returns.push(back);
    }
    for (;;) {
      const earliest = (windowStart(now, this.windowMs) - CATCH_UP * this.windowMs) as EpochMs;
      if (this.place.closedTo < earliest) this.place = moveOn(this.place, earliest, this.windowMs);
      this.place = settled(this.place, this.windowMs);
      const { closedTo } = this.place;
      if (closedTo + this.windowMs > now) return;
      this.released.push(closedTo);
      this.place = { ...this.place, closedTo: (closedTo + this.windowMs) as EpochMs };
    }
  }
}

const lookAt = fc.record({
  // Mostly as time goes; now and then to anywhere.
  now: fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 40 }) }, { weight: 1, arbitrary: fc.integer({ min: -3_000, max: 3_000 }) }),
  isLeap: fc.boolean(),
  mayComeBack: fc.boolean(),
});

describe("a stream whose clock was too far ahead", () => {
  it("never releases a window twice, wherever the clock goes, and stays on its lattice", () => {
    fc.assert(
      fc.property(fc.constantFrom(7, 10), fc.array(lookAt, { maxLength: 60 }), (windowMs, looks) => {
        const walker = new Walker(windowMs, 100_000);
        let now = 100_000;
        for (const look of looks) {
          now = Math.max(0, look.isLeap ? 100_000 + look.now * 10 : now + Math.abs(look.now));
          walker.walk(epochMs(now), look.mayComeBack);
          const spent = spentSpans(walker.place.course);
          for (const start of walker.released) {
            const isBehind = start < walker.place.closedTo;
            const isSpent = spent.some(({ from, to }) => start >= from && start + windowMs <= to);
            expect(isBehind || isSpent, `${start} is known to be released`).toBe(true);
          }
          expect(walker.place.course.free.length).toBeLessThanOrEqual(FREE_SPANS_MAX);
        }
        expect(new Set(walker.released).size).toBe(walker.released.length);
        for (const start of walker.released) expect(start % windowMs).toBe(0);
      }),
      { numRuns: 2_000 },
    );
  });

  it("goes on at once when the clock comes back, and misses nothing from there on but what it released before", () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 300 }), fc.integer({ min: 1, max: 20 }), fc.nat({ max: 100 }), (ahead, stay, restMs) => {
        const windowMs = 10;
        const walker = new Walker(windowMs, 0);
        walker.walk(epochMs(105), true);
        const falseFrom = 105 + ahead * windowMs;
        for (let at = falseFrom; at <= falseFrom + stay * windowMs; at += windowMs) walker.walk(epochMs(at), true);
        const before = new Set(walker.released);
        // Within what was passed over, which begins a window later and ends with what was caught up with.
        const now = 120 + restMs;
        const isFree =
          windowStart(epochMs(now), walker.windowMs) + windowMs <= windowStart(epochMs(falseFrom), walker.windowMs) - CATCH_UP * windowMs;
        for (let at = now; at < falseFrom + (stay + 10) * windowMs; at += windowMs) walker.walk(epochMs(at), true);
        expect(walker.returns.length).toBe(isFree ? 1 : 0);
        const all = new Set(walker.released);
        const first = isFree ? now : falseFrom + stay * windowMs;
        for (let at: number = windowStart(epochMs(first), walker.windowMs); at < falseFrom + (stay + 8) * windowMs; at += windowMs) {
          expect(all.has(epochMs(at)), `window ${at}`).toBe(true);
        }
        expect(walker.released.length, "each once").toBe(all.size);
        expect([...before].every((start) => all.has(start))).toBe(true);
      }),
    );
  });

  it("does not come back to where it cannot know that nothing was released", () => {
    const walker = new Walker(10, 1_000);
    for (let now = 1_000; now <= 1_200; now += 10) walker.walk(epochMs(now), true);
    expect(comeBack(walker.place, epochMs(500), walker.windowMs), "before it began").toBeNull();
    expect(comeBack(walker.place, epochMs(1_100), walker.windowMs), "what it released").toBeNull();
    const ahead = moveOn(walker.place, epochMs(9_000), walker.windowMs);
    expect(comeBack(ahead, epochMs(1_100), walker.windowMs), "long before what it passed over").toBeNull();
    expect(comeBack(ahead, epochMs(1_195), walker.windowMs)?.closedTo, "a window before it").toBe(1_200);
    expect(comeBack({ closedTo: epochMs(1_000), course: LOST }, epochMs(500), walker.windowMs)).toBeNull();
  });

  it("releases nothing any more when what it released was forgotten", () => {
    const { closedTo } = settled({ closedTo: epochMs(1_000), course: LOST }, durationMs(10));
    expect(closedTo).toBeGreaterThan(Date.UTC(200_000, 0));
  });
});
