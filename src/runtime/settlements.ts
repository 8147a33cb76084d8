import type { EpochMs } from "../core/units/time.ts";
import type { Acknowledgement } from "../ports/outbox.ts";

/** A row that is done with: the broker has it, or refused it. */
type Settled =
  | { readonly is: "sent"; readonly bytes: number }
  | { readonly is: "refused"; readonly seq: number | null; readonly reason: string };

/** Positions that the outbox does not give: what was trimmed while the broker was away can be a million, and must not cost memory. */
interface Gap {
  readonly from: number;
  readonly to: number;
}

/** What is settled and not written down yet: one high-water mark is written, up to the first row that is not settled. */
export class Settlements {
  readonly #settled = new Map<number, Settled>();
  #gaps: readonly Gap[] = [];
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

  /** The outbox has nothing to send from `from` to `to`. */
  absent(from: number, to: number): void {
    this.#gaps = [...this.#gaps, { from, to }];
  }

  /** Of what was read from behind `before` up to `readTo`, the outbox left out the others: damaged, or trimmed. */
  absentBeside(positions: readonly number[], before: number, readTo: number): void {
    let next = before + 1;
    for (const position of [...positions, readTo + 1]) {
      if (position > next) this.absent(next, position - 1);
      next = position + 1;
    }
  }

  /** Everything behind `upTo` is to be settled again. */
  rewind(upTo: number): void {
    this.#upTo = upTo;
  }

  /** What can be written now: the rows without a gap, when and where they went. */
  withoutGap(at: EpochMs, address: string): Acknowledgement {
    const refused: { position: number; seq: number | null; reason: string }[] = [];
    let upTo = this.#upTo;
    let rows = 0;
    let bytes = 0;
    for (;;) {
      const gap = this.#gaps.find(({ from, to }) => from <= upTo + 1 && upTo < to);
      if (gap !== undefined) {
        upTo = gap.to;
        continue;
      }
      const settled = this.#settled.get(upTo + 1);
      if (settled === undefined) break;
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
    for (const position of this.#settled.keys()) if (position <= upTo) this.#settled.delete(position);
    this.#gaps = this.#gaps.filter(({ to }) => to > upTo);
    this.#upTo = upTo;
  }
}
