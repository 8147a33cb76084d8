import { createHash, randomInt } from "node:crypto";
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { assert } from "../../core/assert.ts";
import type { Sensitivity } from "../../core/reading/quantity.ts";
import { RECORD_BYTES } from "../../core/reading/record.ts";
import type { StreamId } from "../../core/units/ids.ts";
import type { DurationMs, EpochMs, MonotonicMs } from "../../core/units/time.ts";
import { type HeldWindow, type LiveChunk, type LiveStore, LiveStoreError, type StoredChunk } from "../../ports/live-store.ts";
import {
  assertSound,
  type Connect,
  type Connection,
  closedOnError,
  type DatabaseSettings,
  diskBytes,
  IN_MEMORY,
  openDatabase,
  removeDatabase,
  storeFault,
} from "./database.ts";
import type { Witness } from "./instance.ts";
import { defineReadings, LIVE_SCHEMA, LIVE_VERSION } from "./live-schema.ts";
import { type LiveStatements, prepareLive } from "./live-statements.ts";
import { schemaVersion, stampVersion } from "./migrate.ts";

/** Why a file that was there was deleted. */
export type LiveDiscard = "other-instance" | "other-boot" | "other-version" | "damaged";

export interface LiveStoreOptions {
  /** The file, on tmpfs unless all its readings are environmental; null: the memory of this process. */
  readonly path: string | null;
  /** Instance of the node store. Readings belong to its marks: with a fresh node store they could be released a second time. */
  readonly instance: string;
  /** Name of this boot: monotonic times of another one mean nothing. */
  readonly bootId: string;
  /** The most that the file may grow to. The WAL needs up to `WAL_BYTES` more beside it. */
  readonly bytesMax: number;
  /** How to connect; only tests say otherwise. */
  readonly connect?: Connect;
}

const PAGE_BYTES = 4096;
/**
 * What must work in a full store has a reserve, one of so many pages, in a small store at least a few: chunks of one reading take a tenth
 * more room once they have a window, and notes of draws come on top of them.
 */
const LABEL_RESERVE = { oneOf: 8, pagesMin: 16 };
const DRAW_RESERVE = { oneOf: 32, pagesMin: 4 };
const without = (pages: number, { oneOf, pagesMin }: typeof DRAW_RESERVE) => pages - Math.max(pagesMin, Math.ceil(pages / oneOf));
const CHECKPOINT_PAGES = 1_000;
/** Deleting writes zeros through the WAL: a slice keeps it short. 32 KB a full chunk. */
const PURGE_CHUNKS_PER_TRANSACTION = 100;
/** The longest WAL in normal use: what a checkpoint waits for, and one slice of a purge on top. */
export const WAL_BYTES = CHECKPOINT_PAGES * PAGE_BYTES + PURGE_CHUNKS_PER_TRANSACTION * 32_000;

/**
 * Chunks are numbered from anywhere: counted from 1, the number of a chunk would tell how many flushes of people went before it, when
 * those are long purged. With 2^47 of room behind it the number stays exact.
 */
const FIRST_ID_BELOW = 2 ** 47;

/** Opens the live store; what cannot or must not be read is deleted, never kept aside: it holds readings of people. */
export function openLiveStore(asked: LiveStoreOptions): SqliteLiveStore {
  const { path } = asked;
  try {
    const options = { ...asked, bytesMax: path === null ? asked.bytesMax : Math.min(asked.bytesMax, roomFor(path)) };
    const store = (db: Connection, found: LiveDiscard | null) =>
      new SqliteLiveStore(db, path ?? IN_MEMORY, found, pagesIn(options.bytesMax));
    if (path === null) return store(create(IN_MEMORY, options), null);
    const found = existsSync(path) ? reuse(path, options) : null;
    if (found !== null && typeof found !== "string") return store(found, null);
    removeDatabase(path);
    // For nobody else's eyes; SQLite gives its WAL the mode of the file.
    closeSync(openSync(path, "wx", 0o600));
    return store(create(path, options), found);
  } catch (error) {
    throw portError(error, path ?? IN_MEMORY);
  }
}

/** The most that fits on the disk of a file, with its WAL. What works in a full store must do so where the disk is full before it is. */
function roomFor(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  const size = diskBytes(path) ?? Number.POSITIVE_INFINITY;
  return Math.max(size / 2, size - WAL_BYTES);
}

const pagesIn = (bytes: number): number => Math.max(1, Math.floor(bytes / PAGE_BYTES));

function open(path: string, { bytesMax, connect }: Pick<LiveStoreOptions, "bytesMax" | "connect">): Connection {
  const settings: DatabaseSettings = {
    synchronous: "OFF", // Memory: there is nothing to sync to. On flash only environmental readings of minutes are at stake.
    exclusive: true,
    secureDelete: true,
    pageBytes: PAGE_BYTES,
    checkpointPages: CHECKPOINT_PAGES,
    walBytesMax: 0,
  };
  const db = openDatabase(path, settings, connect);
  db.pragma(`max_page_count = ${pagesIn(bytesMax)}`);
  return db;
}

function create(path: string, options: LiveStoreOptions): Connection {
  const db = open(path, options);
  const fill = db.transaction(() => {
    db.exec(LIVE_SCHEMA);
    stampVersion(db, LIVE_VERSION);
    db.prepare("INSERT INTO binding (one, instance, boot, run, position) VALUES (1, ?, ?, 0, 0)").run(options.instance, options.bootId);
  });
  closedOnError(db, fill);
  return db;
}

/** The store of an earlier run, or why there is none to be had. Looks at its binding before it looks at anything else. */
function reuse(path: string, options: LiveStoreOptions): Connection | LiveDiscard {
  try {
    const db = open(path, options);
    const discard = closedOnError(db, () => bindingProblem(db, options));
    if (discard === null) return db;
    db.close();
    return discard;
  } catch (error) {
    const fault = storeFault(error, path);
    if (fault === "damaged" || fault === "io") return "damaged";
    throw error;
  }
}

function bindingProblem(db: Connection, { instance, bootId }: LiveStoreOptions): LiveDiscard | null {
  const version = schemaVersion(db);
  // Killed between making the file and filling it.
  if (version === 0) return "damaged";
  if (version !== LIVE_VERSION) return "other-version";
  const binding = db.prepare<[], { instance: string; boot: string }>("SELECT instance, boot FROM binding").get();
  if (binding?.instance !== instance) return "other-instance";
  if (binding.boot !== bootId) return "other-boot";
  assertSound(db);
  // A kill may have come between a purge and its checkpoint.
  emptyWal(db);
  return null;
}

/**
 * What a live store remembers of the node store that it was bound to, before either is opened for use: nothing else is read. Null:
 * there is none, or it cannot be asked.
 */
export function liveWitness(path: string, connect?: Connect): Witness | null {
  if (!existsSync(path)) return null;
  try {
    const db = open(path, { bytesMax: Number.MAX_SAFE_INTEGER, ...(connect === undefined ? {} : { connect }) });
    try {
      if (schemaVersion(db) !== LIVE_VERSION) return null;
      return db.prepare<[], Witness>("SELECT instance, run, position FROM binding").get() ?? null;
    } finally {
      db.close();
    }
  } catch (error) {
    if (storeFault(error, path) === null) throw error;
    return null;
  }
}

function emptyWal(db: Connection): void {
  const [outcome] = db.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[];
  // A busy checkpoint reports success and leaves the readings in the WAL (reliability reference §1.3).
  if (outcome?.busy !== 0) throw new LiveStoreError("LIVE_IO", { cause: new Error("purged readings are still in the WAL") });
}

function portError(error: unknown, path: string): unknown {
  const fault = storeFault(error, path);
  return fault === null ? error : new LiveStoreError(fault === "full" ? "LIVE_FULL" : "LIVE_IO", { cause: error });
}

/** The live store in SQLite. Made by `openLiveStore`. */
export class SqliteLiveStore implements LiveStore {
  /** Why the file that was there before was deleted, or null. */
  readonly discarded: LiveDiscard | null;
  readonly #db: Connection;
  readonly #path: string;
  readonly #sql: LiveStatements;
  readonly #indices = new Map<string, number>();
  /** Number of the last chunk; never given twice. */
  #lastId: number;
  #rowsDefined = false;
  readonly #pagesMax: number;

  constructor(db: Connection, path: string, discarded: LiveDiscard | null, pagesMax: number) {
    this.#db = db;
    this.#pagesMax = pagesMax;
    this.#path = path;
    this.#sql = prepareLive(db);
    this.#lastId = this.#sql.lastId.get() ?? randomInt(FIRST_ID_BELOW);
    this.discarded = discarded;
  }

  /** Remembers how far the node store is: a copy that is put in its place is not. */
  noteStanding(run: number, position: number): void {
    this.#guard(() => this.#sql.setStanding.run(run, position));
  }

  streamIndex(id: StreamId, meaning: string): number {
    return this.#guard(() => {
      const key = `${id} ${meaning}`;
      const known = this.#indices.get(key);
      if (known !== undefined) return known;
      const digest = createHash("sha256").update(meaning).digest("hex");
      const index = this.#sql.findStream.get(id, digest) ?? Number(this.#sql.addStream.run(id, digest).lastInsertRowid);
      this.#indices.set(key, index);
      return index;
    });
  }

  append(chunk: LiveChunk): void {
    this.#guard(() => {
      const pages = this.#pagesInUse() + chunk.data.byteLength / PAGE_BYTES;
      if (pages > without(this.#pagesMax, LABEL_RESERVE)) throw new LiveStoreError("LIVE_FULL");
      this.#insert(chunk);
    });
  }

  held(): readonly HeldWindow[] {
    return this.#guard(() => this.#sql.held.all());
  }

  read(windowMs: DurationMs, window: EpochMs): Iterable<StoredChunk> {
    return this.#walk(windowMs, window);
  }

  unlabelled(): Iterable<StoredChunk> {
    return this.#walk(null, null);
  }

  relabel(id: number, chunks: readonly LiveChunk[]): void {
    this.#guard(() => {
      this.#db.transaction(() => {
        assert(this.#sql.deleteUnlabelled.run(id).changes === 1, `chunk ${id} waits for its window`);
        for (const chunk of chunks) {
          assert(chunk.window !== null, "a chunk is relabelled with a window");
          this.#insert(chunk);
        }
        if (chunks.length > 0 && this.#pagesInUse() > without(this.#pagesMax, DRAW_RESERVE)) throw new LiveStoreError("LIVE_FULL");
      })();
      // What has windows is purged with them; this is gone now.
      if (chunks.length === 0) emptyWal(this.#db);
    });
  }

  claimDraws(sensitivity: Sensitivity, windowMs: DurationMs, window: EpochMs, streams: readonly number[]): ReadonlySet<number> {
    return this.#guard(() =>
      this.#db.transaction(() => {
        const claim = (stream: number): boolean => this.#sql.claimDraw.run(sensitivity, windowMs, window, stream).changes === 1;
        return new Set(streams.filter((stream) => !claim(stream)));
      })(),
    );
  }

  purge(sensitivity: Sensitivity, windowMs: DurationMs, before: EpochMs, chunksMax = Number.POSITIVE_INFINITY): number {
    return this.#guard(() => {
      const ids = this.#sql.due.all(windowMs, before, sensitivity).slice(0, chunksMax);
      this.#erase(ids);
      // The notes last: a crash in between leaves notes without readings, never readings without notes.
      if (ids.length < chunksMax) this.#sql.forgetDraws.run(sensitivity, windowMs, before);
      return ids.length;
    });
  }

  shedUnlabelled(chunksMax: number): number {
    return this.#guard(() => {
      const waiting = this.#sql.waiting.all();
      const surplus = waiting.slice(0, Math.max(0, waiting.length - chunksMax));
      this.#erase(surplus.map((chunk) => chunk.id));
      return surplus.reduce((records, chunk) => records + chunk.bytes / RECORD_BYTES, 0);
    });
  }

  shedOldest(bytes: number): readonly StoredChunk[] {
    return this.#guard(() => this.#take(this.#sql.oldest.all(bytes)));
  }

  shedPeople(before: MonotonicMs, chunksMax: number): readonly StoredChunk[] {
    return this.#guard(() => this.#take(this.#sql.oldPeople.all(before, before, chunksMax)));
  }

  bytes(): number {
    return this.#guard(() => this.#pagesInUse() * PAGE_BYTES);
  }

  close(): void {
    this.#guard(() => this.#db.close());
  }

  /**
   * The same readings as SQL rows, for people and tests: `SELECT * FROM reading` (stream, at_ms, value, covers_ms, cell, marks,
   * sensitivity, window_ms, window_start_ms). Not part of the port: the runtime reads chunks.
   */
  query(sql: string, ...parameters: readonly unknown[]): readonly unknown[] {
    if (!this.#rowsDefined) defineReadings(this.#db);
    this.#rowsDefined = true;
    return this.#db.prepare(sql).all(...parameters);
  }

  #insert(chunk: LiveChunk): void {
    const { sensitivity, windowMs, window, fromMs, toMs, data } = chunk;
    assert(data.byteLength > 0 && data.byteLength % RECORD_BYTES === 0, "a chunk holds whole records");
    this.#sql.append.run(++this.#lastId, sensitivity, windowMs, window, fromMs, toMs, data);
  }

  /** Chunk by chunk with no statement left open in between, so that others may append and purge while somebody walks. */
  *#walk(windowMs: DurationMs | null, window: EpochMs | null): Iterable<StoredChunk> {
    const ids = this.#guard(() => (windowMs === null ? this.#sql.unlabelledIds.all() : this.#sql.idsOf.all(windowMs, window)));
    for (const id of ids) {
      const chunk = this.#guard(() => this.#sql.chunk.get(id));
      if (chunk !== undefined) yield chunk;
    }
  }

  #pagesInUse(): number {
    return this.#sql.pagesInUse.get() ?? 0;
  }

  #take(ids: readonly number[]): readonly StoredChunk[] {
    const chunks = ids.map((id) => this.#sql.chunk.get(id)).filter((chunk) => chunk !== undefined);
    this.#erase(ids);
    return chunks;
  }

  /** Deletes chunks so that no copy is left: zeroed in the file by `secure_delete`, and out of the WAL by cutting it to nothing. */
  #erase(ids: readonly number[]): void {
    for (let at = 0; at < ids.length; at += PURGE_CHUNKS_PER_TRANSACTION) {
      this.#db.transaction(() => {
        for (const id of ids.slice(at, at + PURGE_CHUNKS_PER_TRANSACTION)) this.#sql.delete.run(id);
      })();
    }
    if (ids.length > 0) emptyWal(this.#db);
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw portError(error, this.#path);
    }
  }
}
