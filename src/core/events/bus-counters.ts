/** Why bytes on a bus answered nothing. */
export type StrayReason =
  | "noise"
  | "checksum"
  | "echo"
  /** The answer of a unit that had been given up by then. */
  | "late"
  | "wrong-unit"
  | "wrong-function"
  | "length"
  /** A frame while nothing was asked, of a unit that owes nothing. */
  | "unasked";

/** The counters of one bus. Every question is out, or ended in one way; every byte was used, is discarded for a reason, or waits. */
export class BusCounters {
  questions = 0;
  replies = 0;
  exceptions = 0;
  timeouts = 0;
  /** Questions that were out when the line closed or their sensor left. */
  abandoned = 0;
  /** Requests that were not asked: the unit rested, or too many waited. */
  refused = 0;
  bytes = 0;
  usedBytes = 0;
  readonly discardedBytes: Partial<Record<StrayReason, number>> = {};
  opened = 0;

  discard(reason: StrayReason, byteCount: number): void {
    this.discardedBytes[reason] = (this.discardedBytes[reason] ?? 0) + byteCount;
  }

  /** Bytes that are accounted for; the rest of `bytes` waits. */
  get settledBytes(): number {
    return Object.values(this.discardedBytes).reduce((sum, count) => sum + count, this.usedBytes);
  }
}
