import type { Acknowledgement, RefusedRow, SentRow } from "../ports/outbox.ts";

/** Rows that are done with, which is not written down yet. */
export class Settlements {
  readonly #sent = new Map<number, SentRow>();
  readonly #refused = new Map<number, RefusedRow>();

  get size(): number {
    return this.#sent.size + this.#refused.size;
  }

  has(position: number): boolean {
    return this.#sent.has(position) || this.#refused.has(position);
  }

  /** The broker has it. */
  sent(row: SentRow): void {
    this.#refused.delete(row.position);
    this.#sent.set(row.position, row);
  }

  /** The broker will never take it. */
  refused(row: RefusedRow): void {
    this.#sent.delete(row.position);
    this.#refused.set(row.position, row);
  }

  /** What can be written now. */
  all(): Acknowledgement {
    return { sent: [...this.#sent.values()], refused: [...this.#refused.values()] };
  }

  /** These are on the card. */
  written({ sent, refused }: Acknowledgement): void {
    for (const row of sent) if (this.#sent.get(row.position) === row) this.#sent.delete(row.position);
    for (const row of refused) if (this.#refused.get(row.position) === row) this.#refused.delete(row.position);
  }
}
