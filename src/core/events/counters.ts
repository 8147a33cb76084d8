/** Why a reading that a driver emitted is in no statistic. */
export const DROP_REASONS = [
  "null",
  "not-finite",
  "out-of-range",
  "unknown-channel",
  "wrong-kind",
  "outside-cells",
  "not-published",
  "reset",
  "late",
  "clock-untrusted",
  "expired",
  "no-secret",
  "store-full",
  "maintenance",
] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/**
 * The counters of one sensor. `emitted` counts what the driver emitted, once for each stream that it was meant for (once when
 * there is none); every one of them is stored or dropped for a reason.
 */
export class SensorCounters {
  bytes = 0;
  edges = 0;
  emitted = 0;
  /** Stored with full standing. */
  stored = 0;
  /** Stored, but kept out of statistics: warming or suspect. */
  setAside = 0;
  readonly dropped: Record<DropReason, number> = Object.fromEntries(DROP_REASONS.map((reason) => [reason, 0])) as Record<
    DropReason,
    number
  >;
  /** Bytes that were no use to the driver, by its reason. */
  readonly discardedBytes: Record<string, number> = {};
  /** Edges that were bounce or not real. */
  ignoredEdges = 0;
  /** Edges known to be lost before they reached us. */
  lostEdges = 0;
  opened = 0;

  drop(reason: DropReason, count = 1): void {
    this.dropped[reason] += count;
  }

  discard(reason: string, byteCount: number): void {
    this.discardedBytes[reason] = (this.discardedBytes[reason] ?? 0) + byteCount;
  }

  /** Everything emitted is somewhere, and no more bytes were discarded than came in. */
  get balanced(): boolean {
    const dropped = DROP_REASONS.reduce((sum, reason) => sum + this.dropped[reason], 0);
    const discarded = Object.values(this.discardedBytes).reduce((sum, bytes) => sum + bytes, 0);
    return this.emitted === this.stored + this.setAside + dropped && discarded <= this.bytes;
  }
}
