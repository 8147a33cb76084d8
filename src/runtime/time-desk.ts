import type { TimeState } from "../core/anonymise/summary.ts";
import { keepTime, labelled, SLEW_MS_MAX, type TimeKeeping, type TimeSource, UNTRUSTED } from "../core/machine/timekeeper.ts";
import { type EpochMs, epochMs } from "../core/units/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { Anchoring } from "./lane.ts";

/** How often something outside is asked whether it vouches for the wall clock. */
const ASK_EVERY_MS = 10_000;

/** Called when readings are to be labelled with another offset from now on; `first`: those that waited too. */
export type AnchorListener = (offsetMs: number, how: Anchoring) => void;

/** The one place that turns monotonic time into wall time, and says when that is not possible. */
export class TimeDesk {
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #source: TimeSource;
  readonly #onAnchor: AnchorListener;
  #keeping: TimeKeeping = UNTRUSTED;
  #trust: "synced" | "rtc" | "gps" | null = null;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  /** The last question was asked in view of a step. */
  #isAskedAnew = false;
  #saidUntrusted = false;

  constructor(clock: Clock, events: Events, source: TimeSource, onAnchor: AnchorListener) {
    this.#clock = clock;
    this.#events = events;
    this.#source = source;
    this.#onAnchor = onAnchor;
  }

  /** Trusted wall time, or null. */
  now(): EpochMs | null {
    return this.#keeping.is === "trusted" ? labelled(this.#keeping, this.#clock.monotonicMs()) : null;
  }

  /** Who vouches for `now`, or null. */
  state(): TimeState | null {
    return this.#keeping.is === "trusted" ? this.#keeping.state : null;
  }

  /** Trusted wall time where there is one, else what the wall clock shows: for logs and messages that must leave anyway. */
  best(): EpochMs {
    return this.now() ?? epochMs(this.#clock.wallMs());
  }

  /**
   * Looks at the clocks. Called at least once a second; never waits for whoever is asked about the wall clock: the answer counts
   * from the next call on, so that time only changes within a call.
   */
  tick(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#source === "operator") return this.#look();
    // A clock that was stepped is not followed on an answer from before the step.
    const isStepped = this.#isStepped();
    if ((isStepped && !this.#isAskedAnew) || nowMs - this.#askedAtMs >= ASK_EVERY_MS) {
      this.#askedAtMs = nowMs;
      this.#isAskedAnew = isStepped;
      this.#isAsking = true;
      void this.#clock.wallTrust().then((trust) => {
        this.#trust = trust;
        this.#isAsking = false;
      });
    } else if (!this.#isAsking) {
      this.#isAskedAnew = false;
      this.#look();
    }
  }

  #isStepped(): boolean {
    if (this.#keeping.is === "untrusted") return false;
    return Math.abs(this.#clock.wallMs() - this.#clock.monotonicMs() - this.#keeping.offsetMs) > SLEW_MS_MAX;
  }

  #look(): void {
    const before = this.#keeping;
    const sample = { monoMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs(), trust: this.#trust };
    this.#keeping = keepTime(before, this.#source, sample);
    this.#tell(before, this.#keeping);
  }

  #tell(before: TimeKeeping, now: TimeKeeping): void {
    if (now.is === "untrusted") {
      if (!this.#saidUntrusted) this.#events.emit({ type: "ClockUntrusted" });
      this.#saidUntrusted = true;
      return;
    }
    if (before.is === "untrusted") this.#events.emit({ type: "ClockTrusted", source: now.state });
    if (now.stepped !== "no") this.#events.emit({ type: "ClockStepped", size: now.stepped });
    if (before.is === "untrusted") this.#onAnchor(now.offsetMs, "first");
    else if (before.offsetMs !== now.offsetMs)
      this.#onAnchor(now.offsetMs, now.stepped === "no" ? "adopt" : now.stepped === "small" ? "step" : "jump");
  }
}
