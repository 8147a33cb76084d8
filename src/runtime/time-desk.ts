import type { TimeState } from "../core/anonymise/summary.ts";
import { judge, NO_VERDICT, type TimeSource, type Verdict } from "../core/machine/testimony.ts";
import {
  beginUntrusted,
  type Doubt,
  errorOf,
  type Instant,
  labelled,
  SLEW_MS_MAX,
  stepTime,
  type TimeEffect,
  type TimeEvent,
  type TimeKeeping,
  type TimeRules,
} from "../core/machine/timekeeper.ts";
import { DAY_MS, type EpochMs, epochMs, isoUtc } from "../core/units/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import { AGEING_FACT, type CloseBatch, TRUSTED_FACT } from "../ports/outbox.ts";
import type { Anchoring } from "./lane.ts";

/** How often those who can be asked are asked whether they vouch for the wall clock. */
const ASK_EVERY_MS = 10_000;
/** Before this there was no Stoep: a wall clock that shows less is wrong, whoever vouches for it. */
export const EARLIEST_MS = epochMs(Date.UTC(2026, 0, 1));
/**
 * After a leap of the trusted time by more than a day nothing is thrown away for its age for a day, over restarts: a clock that is years
 * ahead must not empty the outbox and the egress log before somebody notices.
 */
const LEAP_MS = DAY_MS;
const AGEING_WAITS_MS = DAY_MS;
/** The two clocks are looked at one after the other: where the process was held up in between, their distance would be wrong by that. */
const LOOK_TOGETHER_MS = 1;
const LOOKS_MAX = 5;

/** Called when readings are to be labelled with another offset from now on, or not at all any more (`lose`). */
export type AnchorListener = (offsetMs: number, how: Anchoring) => void;

/** What is known of time at the start. */
export interface TimeLimits extends TimeRules {
  /** The latest time that an earlier run trusted, or null. */
  readonly lastTrustedMs: EpochMs | null;
  /** Trusted time from which on, after the leap of an earlier run, things may be thrown away for their age; null: there was none. */
  readonly ageingFromMs: EpochMs | null;
}

const UNLIMITED = { holdoverMs: Number.POSITIVE_INFINITY, earliestMs: epochMs(0) };
const NO_LIMITS: TimeLimits = { ...UNLIMITED, lastTrustedMs: null, ageingFromMs: null };

/** Time as `stoep time` shows it. */
export interface TimeReport {
  readonly state: TimeState | "untrusted";
  readonly source: TimeSource;
  /** Why the wall clock is not believed; null when it is. */
  readonly because: Doubt | null;
  /** What windows are labelled with, or null. */
  readonly trusted: string | null;
  /** What the clock of the machine shows. */
  readonly wall: string;
  /** The latest time that was ever trusted, or null. */
  readonly lastTrusted: string | null;
  readonly errorMs: number | null;
  /** How many witnesses say that the wall clock is right. */
  readonly witnesses: number;
}

/** The one place that turns monotonic time into wall time, and says when that is not possible. */
export class TimeDesk {
  readonly #clock: Clock;
  readonly #events: Events;
  readonly #source: TimeSource;
  readonly #onAnchor: AnchorListener;
  readonly #rules: TimeRules;
  #keeping: TimeKeeping;
  #verdict: Verdict = NO_VERDICT;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  /** The last question was asked in view of a step. */
  #isAskedAnew = false;
  #saidUntrusted = false;
  /** A day after trusted time last leapt ahead, in that time. */
  #ageingFromMs: EpochMs | null;

  constructor(clock: Clock, events: Events, source: TimeSource, onAnchor: AnchorListener, limits: TimeLimits = NO_LIMITS) {
    this.#clock = clock;
    this.#events = events;
    this.#source = source;
    this.#onAnchor = onAnchor;
    this.#rules = limits;
    this.#keeping = beginUntrusted(limits.lastTrustedMs);
    this.#ageingFromMs = limits.ageingFromMs;
    if (source === "operator") this.#verdict = judge(source, []);
  }

  /** Trusted wall time, or null. */
  now(): EpochMs | null {
    return this.#keeping.is === "untrusted" ? null : labelled(this.#keeping, this.#clock.monotonicMs());
  }

  /** Trusted wall time by which things may be thrown away for their age; null also after a leap, until it has proved itself. */
  ageing(): EpochMs | null {
    return this.hasLeapt() ? null : this.now();
  }

  /** Trusted time leapt ahead less than a day ago, and may be wrong. A leap that was taken back is none. */
  hasLeapt(): boolean {
    const now = this.now();
    const waitMs = now === null || this.#ageingFromMs === null ? 0 : this.#ageingFromMs - now;
    return waitMs > 0 && waitMs <= AGEING_WAITS_MS;
  }

  /** Who vouches for `now`, or null. */
  state(): TimeState | null {
    if (this.#keeping.is === "trusted") return this.#keeping.by;
    return this.#keeping.is === "holdover" ? "holdover" : null;
  }

  /** Why the wall clock is not believed; null when it is. */
  doubt(): Doubt | null {
    return this.#keeping.is === "trusted" ? null : this.#keeping.because;
  }

  /** The most that `now` can be wrong, whole milliseconds; null when nobody tells. */
  errorMs(): number | null {
    const errorMs = errorOf(this.#keeping, this.#clock.monotonicMs());
    return errorMs === null ? null : Math.ceil(errorMs);
  }

  /** The latest time that was ever trusted, in an earlier run too; null: none was. */
  lastTrusted(): EpochMs | null {
    return this.#keeping.lastMs;
  }

  /** Trusted wall time where there is one, else what the wall clock shows: for logs and messages that must leave anyway. */
  best(): EpochMs {
    return this.now() ?? epochMs(this.#clock.wallMs());
  }

  report(): TimeReport {
    const { lastMs } = this.#keeping;
    const now = this.now();
    return {
      state: this.state() ?? "untrusted",
      source: this.#source,
      because: this.doubt(),
      trusted: now === null ? null : isoUtc(now),
      wall: isoUtc(this.#clock.wallMs()),
      lastTrusted: lastMs === null ? null : isoUtc(lastMs),
      errorMs: this.errorMs(),
      witnesses: this.#verdict.witnesses,
    };
  }

  /** The batch, with the latest trusted time among its facts, and how far its last leap is believed. */
  noted(batch: CloseBatch): CloseBatch {
    const { lastMs } = this.#keeping;
    if (lastMs === null) return batch;
    const leap = this.#ageingFromMs === null ? [] : [[AGEING_FACT, String(this.#ageingFromMs)] as const];
    return { ...batch, facts: new Map([...batch.facts, [TRUSTED_FACT, String(lastMs)], ...leap]) };
  }

  /** The operator says that the wall clock is right as it is now. What follows is a holdover, until somebody else vouches for it. */
  accept(): TimeReport {
    if (this.#keeping.is !== "trusted") this.#step({ type: "accepted", ...this.#instant() });
    return this.report();
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
      void this.#clock.testimonies().then((testimonies) => {
        this.#verdict = judge(this.#source, testimonies);
        this.#isAsking = false;
      });
    } else if (!this.#isAsking) {
      this.#isAskedAnew = false;
      this.#look();
    }
  }

  #isStepped(): boolean {
    if (this.#keeping.is === "untrusted") return false;
    const { monoMs, wallMs } = this.#instant();
    return Math.abs(wallMs - monoMs - this.#keeping.offsetMs) > SLEW_MS_MAX;
  }

  /** Both clocks at one moment; of looks that were held up, the shortest. */
  #instant(): Instant {
    let instant: Instant | null = null;
    let shortestMs = Number.POSITIVE_INFINITY;
    for (let look = 0; look < LOOKS_MAX && shortestMs > LOOK_TOGETHER_MS; look++) {
      const monoMs = this.#clock.monotonicMs();
      const wallMs = this.#clock.wallMs();
      const tookMs = this.#clock.monotonicMs() - monoMs;
      if (tookMs < shortestMs) {
        instant = { monoMs, wallMs };
        shortestMs = tookMs;
      }
    }
    return instant as Instant;
  }

  #look(): void {
    this.#step({ type: "sample", ...this.#instant(), verdict: this.#verdict });
    const { is } = this.#keeping;
    if (is === "untrusted" && !this.#saidUntrusted) this.#events.emit({ type: "ClockUntrusted", because: this.#keeping.because });
    this.#saidUntrusted = is === "untrusted";
  }

  #step(event: TimeEvent): void {
    const { lastMs } = this.#keeping;
    const { state, effects } = stepTime(this.#keeping, event, this.#rules);
    this.#keeping = state;
    if (lastMs !== null && state.lastMs !== null && state.lastMs - lastMs > LEAP_MS) {
      this.#ageingFromMs = epochMs(state.lastMs + AGEING_WAITS_MS);
    }
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: TimeEffect): void {
    switch (effect.type) {
      case "anchor":
        return this.#onAnchor(effect.offsetMs, effect.how);
      case "lose":
        return this.#onAnchor(0, "lose");
      case "trusted":
        return this.#events.emit({ type: "ClockTrusted", source: effect.by });
      case "untrusted":
        this.#saidUntrusted = true;
        return this.#events.emit({ type: "ClockUntrusted", because: effect.because });
      case "holdover":
        return this.#events.emit({ type: "ClockHoldover", because: effect.because });
      case "stepped":
        return this.#events.emit({ type: "ClockStepped", size: effect.size });
    }
  }
}
