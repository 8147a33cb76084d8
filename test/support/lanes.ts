import type { MonotonicMs } from "../../src/core/units/time.ts";
import { durationMs, monotonicMs } from "../../src/core/units/time.ts";
import { type Anchoring, Lane } from "../../src/runtime/lane.ts";
import { FakeLiveStore } from "./fake-live-store.ts";

/** A lane over a store in memory. Small chunks, so that many are flushed. */
export class LaneBench {
  readonly live = new FakeLiveStore();
  readonly lane: Lane;
  nowMs: MonotonicMs;

  constructor(windowMs: number, { capacity = 7, nowMs = 0 } = {}) {
    this.nowMs = monotonicMs(nowMs);
    const append = (chunk: Parameters<FakeLiveStore["append"]>[0]): boolean => {
      this.live.append(chunk);
      return true;
    };
    this.lane = new Lane("environmental", durationMs(windowMs), capacity, append, () => undefined);
  }

  pass(ms: number): void {
    this.nowMs = monotonicMs(this.nowMs + ms);
  }

  anchor(offsetMs: number, how: Anchoring): void {
    this.lane.anchor(offsetMs, this.nowMs, how);
  }

  advance(): void {
    this.lane.advance(this.nowMs);
  }

  /** `agoMs`: how long before now it happened. */
  put(value: number, { coversMs = 0, agoMs = 0, stream = 0, marks = 1 } = {}): string | null {
    return this.lane.put(stream, monotonicMs(this.nowMs - agoMs), value, coversMs, 0, marks);
  }

  records() {
    this.lane.flush();
    return this.live.records();
  }

  /** Samples as `value@window`. */
  samples(): readonly string[] {
    return this.records()
      .filter(({ marks }) => (marks & 1) !== 0)
      .map(({ value, window }) => `${value}@${window}`);
  }
}
