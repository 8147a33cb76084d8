import { addPart, beginLongWindow, type LongWindow } from "../core/anonymise/derived.ts";
import { anonymiseLong, type Summary } from "../core/anonymise/summary.ts";
import { meaningOf } from "../core/reading/meaning.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import type { StreamId } from "../core/units/ids.ts";
import type { EpochMs } from "../core/units/time.ts";
import { type Window, windowAt, windowStart } from "../core/window/lattice.ts";
import { dayAt } from "../core/window/local-day.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Mark, Outbox } from "../ports/outbox.ts";

/** A released window, and where the free span ends that its stream had come back to (`core/window/course.ts`), or null. */
export interface Part {
  readonly summary: Summary;
  readonly until: EpochMs | null;
}

/** What follows from a group of releases: it is written with them, in the same transaction. */
export interface Derived {
  readonly summaries: readonly { readonly summary: Summary; readonly prev: EpochMs | null }[];
  readonly marks: ReadonlyMap<StreamId, Mark>;
  /** Longer windows as they are now. */
  readonly facts: ReadonlyMap<string, string>;
  /** The longer windows of these facts; to be taken over when they are on the card. */
  readonly standing: ReadonlyMap<StreamId, Standing>;
}

interface Standing {
  readonly mark: Mark;
  /** The window that is being filled; null: the next part that begins one begins it. */
  readonly long: LongWindow | null;
}

const NOTHING: Standing = { mark: { closedTo: 0 as EpochMs, lastStart: null }, long: null };
const CHECKSUM_DIGITS = 8;

const factKey = (id: StreamId): string => `derived:${id}`;

/** Where a window of a stream that is made of another one lies. */
export function longWindowAt({ from, windowMs }: StreamPlan, at: EpochMs): Window {
  return from?.timeZone == null ? windowAt(windowStart(at, windowMs), windowMs) : dayAt(at, from.timeZone);
}

/**
 * Longer windows, made of released ones. How far they are is written down with each part, so that a restart goes on with them. A
 * longer window begins with its first part and is never made of a rest of it: a stream that was added at noon, or means something else
 * since, begins with the next day.
 */
export class DerivedDesk {
  readonly #outbox: Outbox;
  readonly #crypto: Pick<Crypto, "sha256">;
  /** By the stream that they are made of. */
  readonly #plans: ReadonlyMap<StreamId, readonly StreamPlan[]>;
  readonly #meanings: ReadonlyMap<StreamId, string>;
  #standing: Map<StreamId, Standing> | null = null;

  constructor(outbox: Outbox, crypto: Pick<Crypto, "sha256">, streams: readonly StreamPlan[]) {
    this.#outbox = outbox;
    this.#crypto = crypto;
    const plans = new Map<StreamId, StreamPlan[]>();
    for (const plan of streams) if (plan.from !== null) plans.set(plan.from.stream, [...(plans.get(plan.from.stream) ?? []), plan]);
    this.#plans = plans;
    this.#meanings = new Map([...plans.values()].flat().map((plan) => [plan.id, meaningOf(plan)]));
  }

  /** Reads where the longer windows stand: at the start, and after a call of which the outcome is not known. */
  async load(): Promise<void> {
    const marks = await this.#outbox.marks();
    const standing = new Map<StreamId, Standing>();
    for (const { id } of [...this.#plans.values()].flat()) {
      const text = await this.#outbox.recall(factKey(id));
      standing.set(id, { mark: marks.get(id) ?? NOTHING.mark, long: this.#readLong(id, text) });
    }
    this.#standing = standing;
  }

  get isLoaded(): boolean {
    return this.#standing !== null;
  }

  /** What these releases add to longer windows, and the longer windows that are over with them. Changes nothing yet. */
  of(parts: readonly Part[]): Derived {
    const made: { summary: Summary; prev: EpochMs | null }[] = [];
    const standing = new Map<StreamId, Standing>();
    for (const part of parts) {
      for (const plan of this.#plans.get(part.summary.stream.id) ?? []) {
        const before = standing.get(plan.id) ?? this.#standing?.get(plan.id) ?? NOTHING;
        standing.set(
          plan.id,
          withPart(plan, before, part, (summary, prev) => made.push({ summary, prev })),
        );
      }
    }
    const entries = [...standing];
    return {
      summaries: made,
      marks: new Map(entries.map(([id, { mark }]) => [id, mark])),
      facts: new Map(entries.map(([id, { long }]) => [factKey(id), this.#longText(id, long)])),
      standing,
    };
  }

  /** These are on the card. */
  written({ standing }: Derived): void {
    for (const [id, one] of standing) this.#standing?.set(id, one);
  }

  #longText(id: StreamId, long: LongWindow | null): string {
    const text = JSON.stringify(long);
    return `${this.#checksum(id, text)} ${text}`;
  }

  /** A text that is not what was written, or was written under another meaning, is no window: its stream begins anew with the next one. */
  #readLong(id: StreamId, text: string | null): LongWindow | null {
    const json = text?.slice(CHECKSUM_DIGITS + 1);
    if (json === undefined || text !== `${this.#checksum(id, json)} ${json}`) return null;
    return JSON.parse(json) as LongWindow | null;
  }

  #checksum(id: StreamId, text: string): string {
    return this.#crypto.sha256(`${this.#meanings.get(id)} ${text}`).slice(0, CHECKSUM_DIGITS);
  }
}

/**
 * Where a longer window stands once a part is in it. Parts come in order of time; what was skipped is missing from it. In a free span
 * none was ever begun that lies in it whole; one that reaches beyond it was.
 */
function withPart(
  plan: StreamPlan,
  before: Standing,
  { summary: part, until }: Part,
  publish: (summary: Summary, prev: EpochMs | null) => void,
): Standing {
  const window = longWindowAt(plan, part.window.start);
  let standing = before;
  if (before.long !== null && before.long.window.start !== window.start) standing = finished(plan, before, before.long, publish);
  if (standing.long !== null) standing = { ...standing, long: addPart(standing.long, part) };
  else if (part.window.start === window.start && (until === null ? window.start >= standing.mark.closedTo : window.end <= until)) {
    standing = { ...standing, long: beginLongWindow(window, part) };
  }
  if (standing.long === null || part.window.end < window.end) return standing;
  return finished(plan, standing, standing.long, publish);
}

function finished(
  plan: StreamPlan,
  { mark }: Standing,
  long: LongWindow,
  publish: (summary: Summary, prev: EpochMs | null) => void,
): Standing {
  const summary = anonymiseLong(plan, long);
  if ("is" in summary) return { mark: { ...mark, closedTo: long.window.end }, long: null };
  publish(summary, mark.lastStart);
  return { mark: { closedTo: long.window.end, lastStart: long.window.start }, long: null };
}
