import type { OutboxRow } from "../../ports/outbox.ts";
import type { Counters } from "./outbox-counters.ts";
import type { HighWater } from "./outbox-row.ts";

/** Half a megabyte: a publisher that is further behind has its rows read back, some at a time. */
const FRESH_ROWS_MAX = 500;

/** The last rows that were committed and are not settled: a publisher that keeps up need not have them read back. Without gaps. */
export class FreshRows {
  #rows: OutboxRow[] = [];
  /** `endBytes` of each row. */
  #ends: number[] = [];

  /** What a commit wrote, the first right after the last that is here. */
  add(rows: readonly OutboxRow[], ends: readonly number[]): void {
    this.#rows.push(...rows.slice(-FRESH_ROWS_MAX));
    this.#ends.push(...ends.slice(-FRESH_ROWS_MAX));
    this.#drop(this.#rows.length - FRESH_ROWS_MAX);
  }

  clear(): void {
    this.#drop(this.#rows.length);
  }

  dropTo(position: number): void {
    this.#drop(this.#indexOf(position) + 1);
  }

  /** Up to `rowsMax` rows after `position`; null when some of them are not here. */
  after(position: number, rowsMax: number): readonly OutboxRow[] | null {
    const first = this.#indexOf(position + 1);
    return first >= 0 ? this.#rows.slice(first, first + rowsMax) : null;
  }

  /** The high-water mark at `position`; null when its row is not here. */
  settledAt({ lastSeq }: Counters, position: number): HighWater | null {
    const index = this.#indexOf(position);
    const bytes = this.#ends[index];
    if (bytes === undefined) return null;
    let next = index + 1;
    while (this.#rows[next]?.seq === null) next++;
    const seq = this.#rows[next]?.seq;
    return { position, seq: seq === undefined || seq === null ? lastSeq : seq - 1, bytes };
  }

  /** Negative when `position` is before what is here, or nothing is. */
  #indexOf(position: number): number {
    const first = this.#rows[0];
    return first === undefined ? -1 : position - first.position;
  }

  #drop(count: number): void {
    if (count <= 0) return;
    this.#rows.splice(0, count);
    this.#ends.splice(0, count);
  }
}
