import { assert } from "../../core/assert.ts";
import type { StreamId } from "../../core/units/ids.ts";
import {
  type Acknowledgement,
  type CloseBatch,
  type LedgerReading,
  type Mark,
  OutboxError,
  type OutboxLimits,
  type OutboxRow,
  type OutboxStanding,
} from "../../ports/outbox.ts";
import { rangeAt } from "./ahead.ts";
import type { Ballast } from "./ballast.ts";
import { factText, intactMarks, setFact, setMark } from "./checked-rows.ts";
import { assertSound, type Connection, IN_MEMORY, StoreError, storeFault } from "./database.ts";
import { FreshRows } from "./fresh-rows.ts";
import { assertSameStore, type RenewalCause, type RunIdentity } from "./instance.ts";
import { changeHash, ledgerReading, ledgerRow } from "./ledger-row.ts";
import type { NodeStore } from "./outbox.ts";
import { type Counters, loadCounters, type MarkAt, saveCounters, settledAt, standingOf, sum, withDamaged } from "./outbox-counters.ts";
import { endRun, type OutboxFile, openOutboxFile, portError } from "./outbox-file.ts";
import { rewoundTo } from "./outbox-rewind.ts";
import { messageBytes, restoredRow, storedColumns } from "./outbox-row.ts";
import { type OutboxStatements, prepareOutbox } from "./outbox-statements.ts";
import { shedSlice, trimSlice } from "./outbox-trim.ts";
import { type FreeBytes, Pressure } from "./pressure.ts";
import { settle } from "./settling.ts";

/** How often a write is tried again on a full disk: at 50 rows each, room for the largest batch of a tick. */
const RELIEFS_MAX = 40;

type Change = (sql: OutboxStatements, counters: Counters) => Counters;

const isFull = (error: unknown): boolean => error instanceof OutboxError && error.code === "OUTBOX_FULL";

/** A store that is open. */
interface Session {
  readonly db: Connection;
  readonly sql: OutboxStatements;
}

/** Where a store is. */
export interface StorePlace {
  readonly file: OutboxFile;
  /** Null in memory. */
  readonly ballast: Ballast | null;
  readonly free: FreeBytes;
  readonly onCommit: (position: number) => void;
}

/** A store whose run has begun. */
export interface Started extends Session, RunIdentity {
  readonly counters: Counters;
  /** Marks and facts that were not what had been written. */
  readonly repaired: number;
  readonly isDoubtful: boolean;
}

/** The outbox in node.db. `outbox.ts` opens it. */
export class SqliteOutbox implements NodeStore {
  readonly instance: string;
  readonly run: number;
  readonly quarantined: string | null;
  readonly renewed: RenewalCause | null;
  readonly repaired: number;
  readonly isDoubtful: boolean;
  readonly #file: OutboxFile;
  readonly #onCommit: (position: number) => void;
  #session: Session;
  #counters: Counters;
  /** It is asked for at each message, and nearly always the same. */
  #told: { readonly of: Counters; readonly standing: OutboxStanding };
  readonly #fresh = new FreshRows();
  readonly #ballast: Ballast | null;
  readonly #pressure: Pressure | null;
  /** `failed`: a write may or may not be on the card, so nothing is written until everything was read again. */
  #state: "open" | "failed" | "closed" = "open";

  constructor({ file, ballast, free, onCommit }: StorePlace, { db, sql, counters, ...identity }: Started, quarantined: string | null) {
    this.#file = file;
    this.#ballast = ballast;
    this.#pressure = ballast === null ? null : new Pressure(file.path, ballast, free);
    this.#session = { db, sql };
    this.#counters = counters;
    this.#told = { of: counters, standing: standingOf(counters, false) };
    this.instance = identity.instance;
    this.run = identity.run;
    this.renewed = identity.renewed;
    this.repaired = identity.repaired;
    this.isDoubtful = identity.isDoubtful;
    this.quarantined = quarantined;
    this.#onCommit = onCommit;
  }

  async marks(): Promise<Map<StreamId, Mark>> {
    return this.#guard(({ sql }) => intactMarks(sql));
  }

  async ledger(): Promise<LedgerReading> {
    return ledgerReading(this.#guard(({ sql }) => sql.ledger.all()));
  }

  standing(): OutboxStanding {
    const [of, isShort] = [this.#counters, this.#pressure?.isShort ?? false];
    if (this.#told.of !== of || this.#told.standing.isShort !== isShort) this.#told = { of, standing: standingOf(of, isShort) };
    return this.#told.standing;
  }

  async commit(batch: CloseBatch): Promise<void> {
    let rows: OutboxRow[] = [];
    let ends: number[] = [];
    const { acknowledgement } = batch;
    this.#write((sql, before) => {
      rows = [];
      ends = [];
      const counters = acknowledgement === undefined ? before : settle(sql, before, acknowledgement, this.#markAt(sql));
      let { lastPosition, lastSeq, endBytes } = counters;
      for (const row of batch.rows) {
        lastPosition++;
        if (row.seq !== null) assert(row.seq === ++lastSeq, `the next summary is number ${lastSeq}, not ${row.seq}`);
        endBytes += messageBytes(row);
        sql.addRow.run(...storedColumns(row, batch.madeAt, { lastPosition, lastSeq, endBytes }));
        rows.push({ position: lastPosition, seq: row.seq, message: row.message });
        ends.push(endBytes);
      }
      for (const [stream, mark] of batch.marks) setMark(sql, stream, mark);
      for (const [key, value] of batch.facts) setFact(sql, key, value);
      for (const span of batch.charges ?? []) sql.setLedger.run(ledgerRow(span));
      for (const text of batch.changes ?? [])
        sql.addChange.run(batch.madeAt, text, changeHash(sql.lastChangeHash.get() ?? "", batch.madeAt, text));
      const { lostEarlier = 0 } = batch;
      return { ...counters, lastPosition, lastSeq, endBytes, lostEarlier: sum(counters.lostEarlier, lostEarlier) };
    });
    this.#fresh.add(rows, ends);
    this.#fresh.dropTo(this.#counters.settled.position);
    this.#onCommit(this.#counters.lastPosition);
  }

  async read(afterPosition: number, rowsMax: number): Promise<readonly OutboxRow[]> {
    assert(rowsMax > 0, "at least one row is asked for");
    let cursor = Math.max(afterPosition, this.#counters.settled.position);
    while (cursor < this.#counters.lastPosition) {
      const { rows, end } = this.#page(cursor, rowsMax);
      const { ahead } = this.#counters;
      const waiting = ahead.length === 0 ? rows : rows.filter(({ position }) => rangeAt(ahead, position) === undefined);
      if (waiting.length > 0) return waiting;
      cursor = rangeAt(ahead, end + 1)?.to ?? end;
    }
    return [];
  }

  /** The intact rows after `from`, at most `rowsMax`, and up to where there are no others. */
  #page(from: number, rowsMax: number): { readonly rows: readonly OutboxRow[]; readonly end: number } {
    const fresh = this.#fresh.after(from, rowsMax);
    if (fresh !== null) return { rows: fresh, end: fresh.at(-1)?.position ?? this.#counters.lastPosition };
    const stored = this.#guard(({ sql }) => sql.rowsAfter(from, rowsMax));
    const rows = stored.map(restoredRow).filter((row) => row !== null);
    const end = stored.length < rowsMax ? this.#counters.lastPosition : (stored.at(-1)?.position ?? from);
    // Positions have no gaps: what is not there, or not intact, was damaged.
    if (rows.length < end - from) this.#write((sql, counters) => withDamaged(sql, counters, from, end, rows));
    return { rows, end };
  }

  async acknowledge(acknowledgement: Acknowledgement): Promise<void> {
    this.#write((sql, counters) => settle(sql, counters, acknowledgement, this.#markAt(sql)));
    this.#fresh.dropTo(this.#counters.settled.position);
  }

  async rewind(fromSeq: number): Promise<{ readonly position: number; readonly seq: number } | null> {
    let rewound: { readonly position: number; readonly seq: number } | null = null;
    this.#write((sql, counters) => {
      const found = rewoundTo(sql, counters, fromSeq);
      rewound = found && { position: found.position, seq: found.seq };
      return found?.counters ?? counters;
    });
    return rewound;
  }

  async recall(key: string): Promise<string | null> {
    return this.#guard(({ sql }) => factText(sql, key));
  }

  async trim(limits: OutboxLimits): Promise<{ readonly rows: number; readonly more: boolean }> {
    let outcome = { rows: 0, more: false };
    this.#write((sql, counters) => {
      const { rows, more, counters: after } = trimSlice(sql, counters, limits);
      outcome = { rows, more };
      return after;
    });
    return outcome;
  }

  /** The store that comes back is the same one or none: a damaged one is moved aside at start only, where all learn its new name. */
  async reopen(): Promise<void> {
    assert(this.#state !== "closed", "a closed outbox stays closed");
    this.#state = "failed";
    this.#fresh.clear();
    this.#pressure?.forget();
    try {
      if (this.#file.path !== IN_MEMORY) this.#session = this.#reconnect();
      assertSound(this.#session.db);
      const counters = loadCounters(this.#session.sql);
      assertSameStore(this.#session.db, this, this.#counters.lastPosition, counters.lastPosition);
      this.#counters = counters;
      this.#state = "open";
    } catch (error) {
      throw portError(error, this.#file.path);
    }
  }

  async close(): Promise<void> {
    if (this.#state === "closed") return;
    const clean = this.#state === "open";
    this.#state = "closed";
    await this.#ballast?.close();
    try {
      if (clean) endRun(this.#session.db);
    } catch (error) {
      // Without room for the note that all is well the next start checks the file through, which costs time and nothing else.
      if (storeFault(error, this.#file.path) !== "full") throw portError(error, this.#file.path);
    } finally {
      this.#session.db.close();
    }
  }

  async keepBallast(): Promise<void> {
    if (this.#state !== "closed" && this.#pressure?.isShort === false) await this.#ballast?.restore();
  }

  /** The mark, from rows at hand where that is possible. */
  #markAt(sql: OutboxStatements): MarkAt {
    return (counters, position) => {
      const isNews = position > counters.settled.position && position < counters.lastPosition;
      return (isNews ? this.#fresh.settledAt(counters, position) : null) ?? settledAt(sql, counters, position);
    };
  }

  #reconnect(): Session {
    this.#session.db.close();
    const db = openOutboxFile(this.#file, () => {
      throw new StoreError("STORE_DAMAGED", "node.db is gone");
    });
    return { db, sql: prepareOutbox(db) };
  }

  /** Writes; on a full disk after making room, as little as it takes. */
  #write(change: Change): void {
    for (let reliefs = 0; ; reliefs++) {
      try {
        this.#guard(({ db }) => this.#pressure?.look(db));
        this.#writeOnce(change);
        this.#guard(({ db }) => this.#pressure?.settle(db));
        return;
      } catch (error) {
        if (!isFull(error) || reliefs === RELIEFS_MAX || !this.#relieve()) throw error;
      }
    }
  }

  /** Makes room on a full disk; false when there is nothing left to make it of. */
  #relieve(): boolean {
    const pressure = this.#pressure;
    if (pressure === null) return false;
    if (!pressure.isShort) {
      this.#guard(({ db }) => pressure.press(db));
      return true;
    }
    try {
      let rows = 0;
      this.#writeOnce((sql, counters) => {
        const shed = shedSlice(sql, counters);
        rows = shed.rows;
        return shed.counters;
      });
      this.#guard(({ db }) => pressure.settle(db));
      return rows > 0;
    } catch (error) {
      if (!isFull(error)) throw error;
      return this.#guard(({ db }) => pressure.yieldBallast(db));
    }
  }

  /** One transaction; the counters follow only when it is on the card. */
  #writeOnce(change: Change): void {
    const before = this.#counters;
    this.#counters = this.#guard(({ db, sql }) =>
      db.transaction(() => {
        const after = change(sql, before);
        saveCounters(sql, before, after);
        return after;
      })(),
    );
  }

  #guard<T>(work: (session: Session) => T): T {
    if (this.#state !== "open") throw new OutboxError("OUTBOX_IO", { cause: new Error(`the outbox is ${this.#state}`) });
    try {
      return work(this.#session);
    } catch (error) {
      const failure = portError(error, this.#file.path);
      if (failure instanceof OutboxError && failure.code === "OUTBOX_IO") this.#state = "failed";
      throw failure;
    }
  }
}
