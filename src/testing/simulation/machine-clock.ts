import type { Testimony } from "../../core/machine/testimony.ts";
import { epochMs, monotonicMs } from "../../core/units/time.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Timeline } from "./timeline.ts";

/** What the monotonic clock shows when a machine has just started. */
const FIRST_MONOTONIC_MS = 7_000;

/** The clocks of one machine, over its boots: one monotonic clock a boot, and a wall clock that may be wrong. */
export class MachineClock {
  readonly #timeline: Timeline;
  #boot = 0;
  #bootedAtMs = 0;
  #wallOffsetMs: number;
  /** What those who can be asked say of the wall clock: that it is right, that it is not, or one this and the other that. */
  trust: "synced" | "contradicted" | null = "synced";
  /** Whether the wall clock was trusted since the machine started. */
  wasTrusted = true;

  constructor(timeline: Timeline, wallMs: number) {
    this.#timeline = timeline;
    this.#wallOffsetMs = wallMs;
  }

  get boot(): number {
    return this.#boot;
  }

  /** Wall time minus the time of the world. */
  get wallOffsetMs(): number {
    return this.#wallOffsetMs;
  }

  get wallMs(): number {
    return this.#timeline.nowMs + this.#wallOffsetMs;
  }

  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** The machine starts anew, with a wall clock that is wrong by this much, for which nobody vouches. */
  reboot(wrongByMs: number): void {
    this.#boot++;
    this.#bootedAtMs = this.#timeline.nowMs;
    this.#wallOffsetMs += wrongByMs;
    this.trust = null;
    this.wasTrusted = false;
  }

  /** Somebody vouches for the wall clock, after correcting it by this much. */
  vouch(correctionMs: number): void {
    this.#wallOffsetMs += correctionMs;
    this.trust = "synced";
    this.wasTrusted = true;
  }

  /** When the machine was switched on, in the time of the world. */
  get poweredAtMs(): number {
    return this.#bootedAtMs - FIRST_MONOTONIC_MS;
  }

  monotonicMs(): number {
    return this.#timeline.nowMs - this.poweredAtMs;
  }

  /** A time service believes what it believes; the kernel says `no` as soon as somebody set its clock by hand. */
  #testimonies(): readonly Testimony[] {
    const service = this.trust === null ? "no" : "synced";
    const kernel = this.trust === "synced" ? "synced" : "no";
    return [
      { witness: "timesyncd", says: service, errorMs: null },
      { witness: "kernel", says: kernel, errorMs: null },
    ];
  }

  /** The clock as one process on this machine has it. Nothing of it runs when `isAlive` says no; what it throws goes to `failed`. */
  forProcess(isAlive: () => boolean, failed: (error: unknown) => void): Clock {
    const after = (delayMs: number, task: () => void): Cancel =>
      this.#timeline.after(delayMs, () => {
        if (!isAlive()) return;
        try {
          task();
        } catch (error) {
          failed(error);
        }
      });
    return {
      bootId: `boot-${this.#boot}`,
      monotonicMs: () => monotonicMs(this.monotonicMs()),
      monotonicNs: () => BigInt(Math.round(this.monotonicMs() * 1e6)),
      wallMs: () => epochMs(this.wallMs),
      testimonies: () => Promise.resolve(this.#testimonies()),
      after,
      // Whatever else is due may happen before it goes on.
      breathe: () => new Promise((resolve) => after(0, resolve)),
    };
  }
}
