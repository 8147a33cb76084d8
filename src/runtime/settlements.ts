import type { EpochMs } from "../core/units/time.ts";
import type { Acknowledgement } from "../ports/outbox.ts";

/** A row that is done with: the broker has it, it refused it, or the outbox could not give it. */
type Settled =
  | { readonly is: "sent"; readonly bytes: number }
  | { readonly is: "refused"; readonly seq: number | null; readonly reason: string }
  | { readonly is: "absent" };

/** What is settled and not written down yet: one high-water mark is written, up to the first row that is not settled. */
export class Settlements {
  readonly #settled = new Map<number, Settled>();
  #upTo: number;

  /** `upTo`: every row up to here was settled by earlier runs. */
  constructor(upTo: number) {
    this.#upTo = upTo;
  }

  /** Every row up to here is settled, and that is written. */
  get upTo(): number {
    return this.#upTo;
  }

  get size(): number {
    return this.#settled.size;
  }

  sent(position: number, bytes: number): void {
    this.#settled.set(position, { is: "sent", bytes });
  }

  refused(position: number, seq: number | null, reason: string): void {
    this.#settled.set(position, { is: "refused", seq, reason });
  }

  absent(position: number): void {
    this.#settled.set(position, { is: "absent" });
  }

  /** What can be written now: the rows without a gap, when and where they went. */
  withoutGap(at: EpochMs, address: string): Acknowledgement {
    const refused: { position: number; seq: number | null; reason: string }[] = [];
    let upTo = this.#upTo;
    let rows = 0;
    let bytes = 0;
    for (let settled = this.#settled.get(upTo + 1); settled !== undefined; settled = this.#settled.get(upTo + 1)) {
      upTo++;
      if (settled.is === "refused") refused.push({ position: upTo, seq: settled.seq, reason: settled.reason });
      if (settled.is === "sent") {
        rows++;
        bytes += settled.bytes;
      }
    }
    const egress = rows === 0 ? null : { at, address, rows, bytes };
    return { upTo, refused, egress };
  }

  /** Up to here it is on the card. */
  written(upTo: number): void {
    for (let position = this.#upTo + 1; position <= upTo; position++) this.#settled.delete(position);
    this.#upTo = upTo;
  }
}
