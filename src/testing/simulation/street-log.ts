import type { StreamId } from "../../core/units/ids.ts";

/** One value that an instrument said and that reached an open port whole. */
export interface Sample {
  readonly value: number;
  /** When its last byte was told to the node, in the time of the world. */
  readonly atMs: number;
  readonly boot: number;
  /** By the wall clock that this boot trusted; null: none, so far. */
  labelMs: number | null;
  /** Nothing was in its way: it must be in the statistic of its window. Others may be. */
  isSure: boolean;
}

/** Samples older than this are of windows that were told long ago. */
const KEPT_MS = 4 * 3_600_000;

/**
 * What the street did, kept apart from the node: which values really reached it, and which of them a fault may have taken. From
 * this every statistic can be computed a second time.
 */
export class StreetLog {
  readonly id: StreamId;
  readonly windowMs: number;
  readonly #rhythmMs: number | null;
  #samples: Sample[] = [];
  #doubtedToMs = Number.NEGATIVE_INFINITY;

  /** `rhythmMs`: a value after a longer pause stands for no time; null: every value may. */
  constructor(id: StreamId, windowMs: number, rhythmMs: number | null = null) {
    this.id = id;
    this.windowMs = windowMs;
    this.#rhythmMs = rhythmMs;
  }

  add(value: number, atMs: number, boot: number, labelMs: number | null): void {
    if (this.#samples.length > 20_000) this.#samples = this.#samples.filter((sample) => sample.atMs > atMs - KEPT_MS);
    this.#samples.push({ value, atMs, boot, labelMs, isSure: atMs > this.#doubtedToMs });
  }

  /** What came, or is to come, in this time may be lost, or told a little later. */
  doubt(fromMs: number, toMs: number): void {
    this.#doubtedToMs = Math.max(this.#doubtedToMs, toMs);
    for (let index = this.#samples.length - 1; index >= 0; index--) {
      const sample = this.#samples[index] as Sample;
      if (sample.atMs < fromMs) break;
      if (sample.atMs <= toMs) sample.isSure = false;
    }
  }

  /** The memory of the machine was lost: only what is in windows that were made is still to come. */
  forgetUnmade(isMade: (windowStartMs: number) => boolean): void {
    for (const sample of this.#samples) {
      if (sample.isSure && (sample.labelMs === null || !isMade(this.#windowOf(sample.labelMs)))) sample.isSure = false;
    }
  }

  /** The clock of a boot is trusted now: what came before in that boot gets its time. */
  label(boot: number, offsetMs: number): void {
    for (const sample of this.#samples) if (sample.boot === boot && sample.labelMs === null) sample.labelMs = sample.atMs + offsetMs;
  }

  /** Samples with a label in `[fromMs, toMs)`. */
  between(fromMs: number, toMs: number): readonly Sample[] {
    return this.#samples.filter(({ labelMs }) => labelMs !== null && labelMs >= fromMs && labelMs < toMs);
  }

  /** Whether something sure in `[fromMs, toMs)` stands for the time before it. */
  covers(fromMs: number, toMs: number): boolean {
    const rhythmMs = this.#rhythmMs;
    if (rhythmMs === null) return this.between(fromMs, toMs).some(({ isSure }) => isSure);
    const sure = this.between(fromMs - rhythmMs, toMs).filter(({ isSure }) => isSure);
    return sure.some(({ atMs, labelMs }, index) => {
      const before = sure[index - 1];
      const pauseMs = before === undefined ? Number.POSITIVE_INFINITY : atMs - before.atMs;
      // One that was told together with the one before it stands for no time.
      return (labelMs ?? 0) >= fromMs && pauseMs > 0 && pauseMs <= rhythmMs;
    });
  }

  /** Starts of windows that must have been told: something sure is in them. */
  sureWindows(): ReadonlySet<number> {
    const starts = new Set<number>();
    for (const { labelMs, isSure } of this.#samples) if (isSure && labelMs !== null) starts.add(this.#windowOf(labelMs));
    return starts;
  }

  #windowOf(labelMs: number): number {
    return Math.floor(labelMs / this.windowMs) * this.windowMs;
  }
}
