import { type ChargedSpan, Ledger } from "../core/anonymise/ledger.ts";
import type { Grant } from "../core/anonymise/summary.ts";
import { hasTerms, settleTerms, type TermsBook, UNREADABLE } from "../core/anonymise/terms.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import type { StreamPlan } from "../core/reading/stream.ts";
import type { EpsilonMicro } from "../core/units/epsilon.ts";
import { DAY_MS, type EpochMs, isoUtc } from "../core/units/time.ts";
import type { Window } from "../core/window/lattice.ts";
import type { Events } from "../ports/events.ts";
import { type Outbox, TERMS_FACT } from "../ports/outbox.ts";

/** Spans that ended longer ago are of no use: no window that may still be closed reaches back so far. */
const REMEMBERED_MS = 2 * DAY_MS;

export interface PrivacyWorld {
  readonly outbox: Outbox;
  readonly events: Events;
}

/** What a window of a stream of people may tell, and what is to be written down with it. */
export interface Verdict {
  readonly grant: Grant;
  readonly span: ChargedSpan | null;
}

/** Keeps the books of what is told about people: under which terms, since when, and how much of whose budget. */
export class PrivacyDesk {
  readonly #world: PrivacyWorld;
  #streams: readonly StreamPlan[];
  #capMicro: EpsilonMicro;
  #ledger: Ledger | null = null;
  #book: TermsBook | null = null;
  /** Identifiers were hashed under secrets of this run, since its clock was trusted: earlier windows cannot be counted. */
  #identitiesFrom = Number.POSITIVE_INFINITY;

  constructor(world: PrivacyWorld, streams: readonly StreamPlan[], capMicro: EpsilonMicro) {
    this.#world = world;
    this.#streams = streams.filter(hasTerms);
    this.#capMicro = capMicro;
  }

  /** Another plan: its terms are settled at the next `settle`, and nothing about people is released before. */
  replan(streams: readonly StreamPlan[], capMicro: EpsilonMicro): void {
    this.#streams = streams.filter(hasTerms);
    this.#capMicro = capMicro;
    this.#book = null;
  }

  /** When this store began to exist; null before `settle`, or when there is nothing about people. */
  get born(): EpochMs | null {
    return this.#book?.born ?? null;
  }

  /** Codes for the status, and whether each of them is the case: nothing noised leaves, or a change is not in force yet. */
  problems(now: EpochMs | null): readonly (readonly [code: NodeProblem, isWrong: boolean])[] {
    const isPaused = now !== null && (this.#book?.pausedUntil ?? 0) > now;
    return [
      ["LEDGER_DAMAGED", isPaused],
      ["PRIVACY_CHANGE_WAITS", now !== null && this.waiting(now).size > 0],
    ];
  }

  /** Streams whose changed terms are not in force yet, and from when they are. */
  waiting(now: EpochMs): ReadonlyMap<string, EpochMs> {
    const entries = Object.entries(this.#book?.streams ?? {}).filter(([, { since }]) => since > now);
    return new Map(entries.map(([id, { since }]) => [id, since]));
  }

  /**
   * Reads the books, and writes down what changed in the terms: once, as soon as the clock is trusted. `bornMs`: when a store that
   * knows no better began to exist. Rejects with `OutboxError`.
   */
  async settle(now: EpochMs, bornMs: EpochMs): Promise<void> {
    if (this.#book !== null) return;
    const { outbox } = this.#world;
    const before = readBook(await outbox.recall(TERMS_FACT));
    const { damaged } = await this.#load();
    const book = settleTerms(before, { now, born: bornMs, streams: this.#streams, damaged });
    const text = JSON.stringify(book);
    const isSilent = before === null && this.#streams.length === 0;
    if (!isSilent && text !== JSON.stringify(before)) {
      const facts = new Map([[TERMS_FACT, text]]);
      await outbox.commit({ rows: [], marks: new Map(), facts, changes: [text], madeAt: now });
    }
    if (book.pausedUntil > now) this.#world.events.emit({ type: "LedgerDamaged", until: isoUtc(book.pausedUntil) });
    this.#book = book;
    this.#identitiesFrom = Math.min(this.#identitiesFrom, now);
    for (const [stream, since] of this.waiting(now)) this.#world.events.emit({ type: "TermsWait", stream, since: isoUtc(since) });
  }

  /** The clock was trusted anew: identifiers that came while it was not were counted nowhere, and there is no secret for them. */
  regained(now: EpochMs): void {
    if (this.#book !== null) this.#identitiesFrom = now;
  }

  /** Reads the ledger anew, after a call of which the outcome is not known. */
  async reload(): Promise<void> {
    if (this.#ledger !== null) await this.#load();
  }

  /** Whether a window may be released, and what that costs: a noised one is booked. */
  charge(plan: StreamPlan, window: Window): Verdict {
    const { policy } = plan;
    if (!hasTerms(plan)) return { grant: "granted", span: null };
    if (this.#ledger === null || window.start < (this.#book?.pausedUntil ?? 0)) return { grant: "unavailable", span: null };
    if (!this.#isInForce(plan, window)) return { grant: policy.is === "noised" ? "budget" : "unavailable", span: null };
    if (policy.is !== "noised") return { grant: "granted", span: null };
    if (plan.channel.kind === "identity" && window.start < this.#identitiesFrom) return { grant: "unavailable", span: null };
    this.#ledger.forget((window.start - REMEMBERED_MS) as EpochMs);
    const { account, id: stream, windowMs } = plan;
    const span = this.#ledger.charge({ account, stream, windowMs, window, epsilonMicro: policy.epsilonMicro });
    return typeof span === "string" ? { grant: "budget", span: null } : { grant: "granted", span };
  }

  #isInForce({ id }: StreamPlan, window: Window): boolean {
    const since = this.#book?.streams[id]?.since;
    return since !== undefined && window.start >= since;
  }

  async #load(): Promise<{ readonly damaged: number }> {
    const { spans, damaged } = await this.#world.outbox.ledger();
    this.#ledger = new Ledger(this.#capMicro, spans);
    return { damaged };
  }
}

function readBook(text: string | null): TermsBook | typeof UNREADABLE | null {
  if (text === null) return null;
  try {
    return JSON.parse(text) as TermsBook;
  } catch {
    return UNREADABLE;
  }
}
