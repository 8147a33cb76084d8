import type { ChargedSpan } from "../../src/core/anonymise/ledger.ts";
import type { StreamId } from "../../src/core/units/ids.ts";
import {
  type Acknowledgement,
  type CloseBatch,
  type LedgerReading,
  type LostRange,
  type Mark,
  type Outbox,
  OutboxError,
  type OutboxLimits,
  type OutboxRow,
  type OutboxStanding,
} from "../../src/ports/outbox.ts";

/** How a call goes wrong: `full` and `lost` write nothing; `unknown` writes, and says that it does not know. */
export type OutboxTrouble = "full" | "lost" | "unknown";

const decoder = new TextDecoder();

/** An outbox in plain arrays, with the rules of the port. After `OUTBOX_IO` it refuses everything until it is reopened. */
export class FakeOutbox implements Outbox {
  readonly instance = "9f3a01c2";
  readonly run = 1;
  quarantined: string | null = null;
  /** Taken from the front, one for each commit; null: that one goes well. */
  isDoubtful = false;
  isShort = false;
  givenUp = 0;
  lost: LostRange[] = [];
  lostEarlier: number | null = 0;
  readonly commitTroubles: (OutboxTrouble | null)[] = [];
  readonly batches: CloseBatch[] = [];
  readonly acknowledgements: Acknowledgement[] = [];
  readonly trims: OutboxLimits[] = [];
  reopened = 0;
  closed = false;
  failsToReopen = false;
  failsToRead = false;
  failsToAcknowledge = false;
  rows: OutboxRow[] = [];
  settledTo = 0;
  /** Settled behind `settledTo`. */
  readonly ahead = new Set<number>();
  readonly markOf = new Map<StreamId, Mark>();
  readonly factOf = new Map<string, string>();
  readonly spanOf = new Map<string, ChargedSpan>();
  readonly changes: string[] = [];
  damagedSpans = 0;
  #failed = false;

  async marks(): Promise<Map<StreamId, Mark>> {
    this.#mustBeWell();
    return new Map(this.markOf);
  }

  async ledger(): Promise<LedgerReading> {
    this.#mustBeWell();
    return { spans: [...this.spanOf.values()], damaged: this.damagedSpans };
  }

  standing(): OutboxStanding {
    const pending = this.rows.filter((row) => this.#waits(row));
    return {
      lastSeq: this.rows.reduce((last, { seq }) => Math.max(last, seq ?? 0), 0),
      lastPosition: this.rows.at(-1)?.position ?? 0,
      acknowledgedPosition: this.settledTo,
      aheadTo: Math.max(this.settledTo, ...this.ahead),
      queueBytes: pending.reduce((sum, { message }) => sum + message.payload.length, 0),
      aheadRanges: [...this.ahead].filter((position) => !this.ahead.has(position - 1)).length,
      firstUnackedSeq: pending.find(({ seq }) => seq !== null)?.seq ?? null,
      pendingRows: pending.length,
      pendingBytes: pending.reduce((sum, { message }) => sum + message.payload.length, 0),
      lost: this.lost,
      lostEarlier: this.lostEarlier,
      givenUp: this.givenUp,
      isShort: this.isShort,
    };
  }

  async commit(batch: CloseBatch): Promise<void> {
    this.#mustBeWell();
    const trouble = this.commitTroubles.shift() ?? null;
    if (trouble === "full") throw new OutboxError("OUTBOX_FULL");
    if (trouble !== "lost") this.#write(batch);
    if (trouble !== null) this.#fail();
  }

  async read(afterPosition: number, rowsMax: number): Promise<readonly OutboxRow[]> {
    this.#mustBeWell();
    if (this.failsToRead) this.#fail();
    return this.rows.filter((row) => row.position > afterPosition && this.#waits(row)).slice(0, rowsMax);
  }

  async acknowledge(acknowledgement: Acknowledgement): Promise<void> {
    this.#mustBeWell();
    if (this.failsToAcknowledge) this.#fail();
    this.#settle(acknowledgement);
  }

  async rewind(fromSeq: number): Promise<{ readonly position: number; readonly seq: number } | null> {
    this.#mustBeWell();
    const first = this.rows.find(({ seq }) => (seq ?? 0) >= fromSeq);
    const last = Math.max(this.settledTo, ...this.ahead);
    if (first === undefined || first.position > last) return null;
    const position = first.position - 1;
    this.settledTo = Math.min(this.settledTo, position);
    for (const settled of this.ahead) if (settled > position || this.settledTo === position) this.ahead.delete(settled);
    return { position, seq: first.seq ?? 0 };
  }

  async recall(key: string): Promise<string | null> {
    this.#mustBeWell();
    return this.factOf.get(key) ?? null;
  }

  async trim(limits: OutboxLimits): Promise<{ readonly rows: number; readonly more: boolean }> {
    this.#mustBeWell();
    this.trims.push(limits);
    return { rows: 0, more: false };
  }

  async reopen(): Promise<void> {
    if (this.failsToReopen) throw new OutboxError("OUTBOX_IO");
    this.reopened++;
    this.#failed = false;
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  /** The payloads of the summaries, parsed. */
  summaries(): readonly SeenSummary[] {
    return this.rows.filter(({ seq }) => seq !== null).map(({ message }) => JSON.parse(decoder.decode(message.payload)) as SeenSummary);
  }

  #write(batch: CloseBatch): void {
    this.batches.push(batch);
    if (batch.acknowledgement !== undefined) this.#settle(batch.acknowledgement);
    let { lastSeq, lastPosition } = this.standing();
    for (const { message, seq } of batch.rows) {
      if (seq !== null && seq !== ++lastSeq) throw new Error(`the next summary is number ${lastSeq}, not ${seq}`);
      this.rows.push({ position: ++lastPosition, seq, message });
    }
    for (const [stream, mark] of batch.marks) this.markOf.set(stream, mark);
    for (const [key, value] of batch.facts) this.factOf.set(key, value);
    for (const span of batch.charges ?? []) this.spanOf.set(`${span.stream} ${span.fromMs}`, span);
    this.changes.push(...(batch.changes ?? []));
    const { lostEarlier = 0 } = batch;
    this.lostEarlier = this.lostEarlier === null || lostEarlier === null ? null : this.lostEarlier + lostEarlier;
  }

  #settle(acknowledgement: Acknowledgement): void {
    this.acknowledgements.push(acknowledgement);
    for (const { position } of [...acknowledgement.sent, ...acknowledgement.refused])
      if (position > this.settledTo) this.ahead.add(position);
    const isThere = (position: number): boolean => this.rows.some((row) => row.position === position);
    const { lastPosition } = this.standing();
    // What is not there any more keeps nobody waiting.
    while (this.settledTo < lastPosition && (this.ahead.has(this.settledTo + 1) || !isThere(this.settledTo + 1)))
      this.ahead.delete(++this.settledTo);
  }

  #waits({ position }: OutboxRow): boolean {
    return position > this.settledTo && !this.ahead.has(position);
  }

  #fail(): never {
    this.#failed = true;
    throw new OutboxError("OUTBOX_IO");
  }

  #mustBeWell(): void {
    if (this.#failed || this.closed) throw new OutboxError("OUTBOX_IO");
  }
}

/** The fields of a summary that tests look at. */
export interface SeenSummary {
  readonly id: string;
  readonly seq: number;
  readonly prev: string | null;
  readonly sensor: string;
  readonly stream: string;
  readonly window: { readonly start: string; readonly end: string; readonly seconds: number };
  readonly made: string;
  readonly coverage: number;
  readonly quality: string;
  readonly flags: readonly string[];
  readonly time: string;
  readonly reason?: string;
  readonly stats?: Readonly<Record<string, number>>;
  readonly cells?: readonly { readonly count: number | null }[];
}
