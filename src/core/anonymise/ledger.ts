import type { EpsilonMicro } from "../units/epsilon.ts";
import type { StreamId } from "../units/ids.ts";
import type { DurationMs, EpochMs } from "../units/time.ts";
import type { Window } from "../window/lattice.ts";

/** What one release costs: so much epsilon of an account, for everything that happened in its window. */
export interface Charge {
  readonly account: string;
  readonly stream: StreamId;
  /** Length of the windows of the stream: its level. */
  readonly windowMs: DurationMs;
  readonly window: Window;
  readonly epsilonMicro: EpsilonMicro;
}

/** Windows of one stream that were charged alike and lie side by side: one row of the ledger. */
export interface ChargedSpan {
  readonly account: string;
  readonly stream: StreamId;
  readonly windowMs: DurationMs;
  readonly epsilonMicro: EpsilonMicro;
  /** `[fromMs, toMs)`. */
  readonly fromMs: EpochMs;
  readonly toMs: EpochMs;
}

/** Why a charge is refused. `again`: the stream was released for some of this time. `cap`: the account has no more to give for it. */
export type Refusal = "again" | "cap";

/**
 * What has been spent, and whether more may be. An event is somewhere in time, and everything released about that time tells something
 * about it; the sum over an account may nowhere exceed the cap (a privacy filter: Rogers, Roth, Ullman, Vadhan, NeurIPS 2016). Whether a
 * charge is refused depends on windows and epsilons alone, never on what was measured.
 */
export class Ledger {
  readonly #capMicro: EpsilonMicro;
  readonly #spans: ChargedSpan[];

  constructor(capMicro: EpsilonMicro, spans: readonly ChargedSpan[]) {
    this.#capMicro = capMicro;
    this.#spans = [...spans];
  }

  /** Books a charge; gives the span as it is now, which is to be written down with the release, or why the release must not be. */
  charge(charge: Charge): ChargedSpan | Refusal {
    const { start, end } = charge.window;
    const touching = this.#spans.filter(({ fromMs, toMs }) => fromMs < end && toMs > start);
    if (touching.some(({ stream }) => stream === charge.stream)) return "again";
    const shared = touching.filter(({ account }) => account === charge.account);
    if (mostAtOnce(shared, start) + charge.epsilonMicro > this.#capMicro) return "cap";
    return this.#book(charge);
  }

  /** Lets go of spans that no window to come can touch. */
  forget(upTo: EpochMs): void {
    for (let index = this.#spans.length - 1; index >= 0; index--) {
      if ((this.#spans[index] as ChargedSpan).toMs <= upTo) this.#spans.splice(index, 1);
    }
  }

  #book({ account, stream, windowMs, window, epsilonMicro }: Charge): ChargedSpan {
    const index = this.#spans.findIndex(
      (span) =>
        span.stream === stream &&
        span.toMs === window.start &&
        span.account === account &&
        span.windowMs === windowMs &&
        span.epsilonMicro === epsilonMicro,
    );
    const before = this.#spans[index];
    const span = { account, stream, windowMs, epsilonMicro, fromMs: before?.fromMs ?? window.start, toMs: window.end };
    if (before === undefined) this.#spans.push(span);
    else this.#spans[index] = span;
    return span;
  }
}

/** The most that is spent at any instant from `start` on: spending only rises where a span begins. */
function mostAtOnce(spans: readonly ChargedSpan[], start: EpochMs): number {
  const at = (instant: number): number =>
    spans.reduce((sum, { fromMs, toMs, epsilonMicro }) => (fromMs <= instant && instant < toMs ? sum + epsilonMicro : sum), 0);
  return spans.reduce((most, { fromMs }) => Math.max(most, at(Math.max(fromMs, start))), 0);
}
