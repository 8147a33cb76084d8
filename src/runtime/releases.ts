import { type CountTable, publishable } from "../core/anonymise/interval-audit.ts";
import type { ChargedSpan } from "../core/anonymise/ledger.ts";
import type { BytePool } from "../core/anonymise/noise/byte-pool.ts";
import { type Coins, PoolCoins } from "../core/anonymise/noise/coins.ts";
import { anonymise, type ClosedWindow, type Grant, type Summary } from "../core/anonymise/summary.ts";
import type { Events } from "../ports/events.ts";
import type { LiveStore } from "../ports/live-store.ts";
import type { Mark } from "../ports/outbox.ts";
import type { Closing } from "./close-schedule.ts";
import type { PrivacyDesk, Verdict } from "./privacy-desk.ts";

/** One (stream, window) pair that is over: what is to be written down together. */
export interface Release {
  readonly closing: Closing;
  readonly summary: Summary | null;
  readonly mark: Mark;
  /** What it costs; null when it costs nothing. */
  readonly span: ChargedSpan | null;
}

/** A stream with its exact statistic, which goes no further than here. */
export interface Candidate {
  readonly closing: Closing;
  readonly closed: ClosedWindow;
}

export interface ReleaseWorld {
  readonly live: LiveStore;
  readonly events: Events;
  readonly privacy: PrivacyDesk;
  /** Random bytes: what a group leaves over is thrown away, so that no memory tells of noise to come. */
  readonly pool: BytePool;
}

/**
 * Turns exact statistics into releases. Noise is drawn once: before the draw the live store notes that it is about to happen, in the
 * same place as the readings, so that whoever finds these readings again, with whatever node store, finds the note as well. Within
 * this run a release that could not be written is kept, and offered again as it is.
 */
export class Releases {
  readonly #world: ReleaseWorld;
  readonly #coins: Coins;
  readonly #unwritten = new Map<string, Summary>();

  constructor(world: ReleaseWorld) {
    this.#world = world;
    this.#coins = new PoolCoins(world.pool);
  }

  /** `group`: streams of one window length and window. */
  of(group: readonly Candidate[]): readonly Release[] {
    const verdicts = audited(
      group,
      group.map(({ closing, closed }) => this.#verdictOf(closing, closed)),
    );
    const claimed = this.#claim(group.filter((candidate, index) => isToBeDrawn(candidate, verdicts[index]?.grant)));
    const releases = group.map(({ closing, closed }, index) => {
      const verdict = verdicts[index] ?? { grant: "unavailable", span: null };
      const isSecond = claimed.has(closing.index);
      return this.#release(closing, closed, isSecond ? "unavailable" : verdict.grant, isSecond ? null : verdict.span);
    });
    this.#world.pool.wipe();
    return releases;
  }

  /** These are on the card: they need not be offered again. */
  written(releases: readonly Release[]): void {
    for (const { summary } of releases) if (summary !== null) this.#unwritten.delete(keyOf(summary));
  }

  #verdictOf({ plan }: Closing, { window, coverage }: ClosedWindow): Verdict {
    // A window without coverage says so, and nothing else: no number, no cost.
    return coverage === 0 ? { grant: "granted", span: null } : this.#world.privacy.charge(plan, window);
  }

  /** The streams of these that were drawn for before; those that wait to be written are drawn already, once. */
  #claim(candidates: readonly Candidate[]): ReadonlySet<number> {
    const fresh = candidates.filter(({ closed }) => !this.#unwritten.has(keyOf(closed)));
    const claimed = new Set<number>();
    for (const sensitivity of new Set(fresh.map(({ closing }) => closing.plan.sensitivity))) {
      const same = fresh.filter(({ closing }) => closing.plan.sensitivity === sensitivity);
      const [{ closing, closed }] = same as [Candidate];
      const streams = same.map((one) => one.closing.index);
      for (const index of this.#world.live.claimDraws(sensitivity, closing.plan.windowMs, closed.window.start, streams)) claimed.add(index);
    }
    return claimed;
  }

  #release(closing: Closing, closed: ClosedWindow, grant: Grant, span: ChargedSpan | null): Release {
    // Readings that were shed meanwhile are not told of after all: a number without its charge must not leave.
    const isKept = grant === "granted" && closed.coverage > 0;
    const kept = isKept ? this.#unwritten.get(keyOf(closed)) : undefined;
    const result = kept ?? anonymise(closed, this.#coins, grant);
    const { plan, mark } = closing;
    const next = { closedTo: closed.window.end, lastStart: closed.window.start };
    if ("is" in result) {
      this.#world.events.emit({ type: "StreamWithheld", stream: plan.id, because: result.because });
      return { closing, summary: null, mark: { ...next, lastStart: mark.lastStart }, span: null };
    }
    const isNumber = result.body.is !== "reason";
    if (plan.policy.is === "noised" && isNumber) this.#unwritten.set(keyOf(closed), result);
    if (plan.policy.is === "noised" && result.body.is === "reason" && result.body.reason === "unavailable")
      this.#world.events.emit({ type: "NoiseUnavailable", stream: plan.id });
    return { closing, summary: result, mark: next, span: isNumber ? span : null };
  }
}

/**
 * Several tables of counts of one sensor give each other away now and then: the second one says `suppressed` in such a window. Only
 * streams under minimum-count are concerned, and those are closed in one group (see `Closer`).
 */
function audited(group: readonly Candidate[], verdicts: readonly Verdict[]): readonly Verdict[] {
  const result = [...verdicts];
  const sensors = new Map<string, number[]>();
  for (const [index, { closing, closed }] of group.entries()) {
    if (closing.plan.policy.is !== "minimum-count" || verdicts[index]?.grant !== "granted" || tableOf(closed) === null) continue;
    sensors.set(closing.plan.sensor, [...(sensors.get(closing.plan.sensor) ?? []), index]);
  }
  for (const indices of sensors.values()) {
    const tables = indices.flatMap((index) => tableOf((group[index] as Candidate).closed) ?? []);
    for (const [at, isSafe] of publishable(tables).entries()) {
      if (!isSafe) result[indices[at] as number] = { grant: "suppressed", span: null };
    }
  }
  return result;
}

function tableOf({ stream: { policy }, statistic }: ClosedWindow): CountTable | null {
  if (policy.is !== "minimum-count" || statistic === null || statistic === "failed") return null;
  return statistic.kind === "passage" || statistic.kind === "speed" ? { counts: statistic.counts, k: policy.k } : null;
}

function isToBeDrawn({ closing, closed }: Candidate, grant: Grant | undefined): boolean {
  return closing.plan.policy.is === "noised" && grant === "granted" && closed.coverage > 0;
}

const keyOf = ({ stream, window }: Pick<ClosedWindow, "stream" | "window">): string => `${stream.id} ${window.start}`;
