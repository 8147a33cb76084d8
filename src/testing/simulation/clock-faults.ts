import type { Fault } from "./faults.ts";
import type { MachineClock } from "./machine-clock.ts";
import { PEOPLE_WINDOW_MS } from "./scenario.ts";

/** How far around a step of the clock nobody knows by which offset a window was made: the windows on both sides of it. */
const BLUR_MS = 2 * PEOPLE_WINDOW_MS + 60_000;

/** What happens to the wall clock of a machine that runs, and which spans of its time are blurred by that. */
export class ClockFaults {
  readonly #clock: MachineClock;
  readonly #say: (what: string) => void;
  readonly #blurred: { readonly fromMs: number; readonly toMs: number }[] = [];
  #latestMs = 0;
  #earliestMs = Number.POSITIVE_INFINITY;

  constructor(clock: MachineClock, say: (what: string) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  /** The latest that a trusted wall clock showed. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** The earliest that it showed: one that somebody vouches for may be wrong all the same. */
  get earliestMs(): number {
    return this.#earliestMs;
  }

  look(): void {
    if (!this.#clock.wasTrusted) return;
    this.#latestMs = Math.max(this.#latestMs, this.#clock.wallMs);
    this.#earliestMs = Math.min(this.#earliestMs, this.#clock.wallMs);
  }

  isBlurred(fromMs: number, toMs: number): boolean {
    return this.#blurred.some((blur) => blur.fromMs < toMs && blur.toMs > fromMs);
  }

  /** Begins a fault of the clock; gives what ends it. */
  begins({ kind, lot }: Fault): () => void {
    const sign = lot % 2 === 0 ? 1 : -1;
    if (kind === "step-small") return this.#steps(sign * (600 + (lot % 59_000)));
    if (kind === "step-large") return this.#steps(sign * (61_000 + (lot % 1_200_000)));
    return this.#losesTrust(sign > 0 ? null : "contradicted");
  }

  /** A wall clock that is trusted is set wrong, and later right. */
  #steps(byMs: number): () => void {
    const step = (stepMs: number): void => {
      this.#blur();
      this.#clock.stepWall(stepMs);
      this.#blur();
      this.#say(`the wall clock was stepped by ${stepMs} ms`);
    };
    step(byMs);
    return () => step(-byMs);
  }

  #losesTrust(to: MachineClock["trust"]): () => void {
    const { boot } = this.#clock;
    this.#clock.trust = to;
    return () => {
      if (this.#clock.boot === boot) this.#clock.trust = "synced";
    };
  }

  #blur(): void {
    const { wallMs } = this.#clock;
    this.#blurred.push({ fromMs: wallMs - BLUR_MS, toMs: wallMs + BLUR_MS });
  }
}
