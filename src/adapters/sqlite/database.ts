import { accessSync, constants, rmSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import Database from "better-sqlite3";

export type Connection = Database.Database;

/** Makes a connection to a file, or to `:memory:`. Tests put connections that fail here. */
export type Connect = (path: string) => Connection;

export const IN_MEMORY = ":memory:";

/** First release without the WAL-reset bug, which loses committed data (sqlite.org/wal.html#the_wal_reset_bug). */
export const ENGINE_MIN = "3.51.3";

/** How long a statement waits for another process, such as an operator's sqlite3. */
const BUSY_TIMEOUT_MS = 5_000;
/** Page cache of a connection; better-sqlite3 is built with 16,000, which a backlog would fill. The kernel has the pages too. */
const CACHE_KIB_MAX = 500;
/** With less than this free a failed write is taken for a full disk: SQLite extends its -shm file by 32 KiB at a time. */
const FREE_BYTES_MIN = 64 * 1024;

export type StoreErrorCode =
  | "STORE_ENGINE_OLD"
  | "STORE_SCHEMA_NEWER"
  | "STORE_SCHEMA_OLDER"
  | "STORE_ABSENT"
  | "STORE_FOREIGN"
  | "STORE_SETTING"
  | "STORE_DAMAGED"
  | "STORE_IN_USE";

const REMEDIES: Readonly<Record<StoreErrorCode, string>> = {
  STORE_ENGINE_OLD: `install better-sqlite3 with SQLite ${ENGINE_MIN} or later: older engines can lose committed data`,
  STORE_SCHEMA_NEWER: "a later release of Stoep wrote this file: install that release again, or move the file away",
  STORE_SCHEMA_OLDER: "start the node once: it brings the file to the newest schema",
  STORE_ABSENT: "check storage.directory of FILE; a node that never ran has none yet",
  STORE_FOREIGN: "type it as the user of the service: sudo -u stoep stoep outbox",
  STORE_SETTING: "put the store on a local file system (ext4, f2fs, tmpfs): network file systems cannot keep a WAL",
  STORE_DAMAGED: "restart the service: at start a damaged store is moved aside and a fresh one is made",
  STORE_IN_USE: "stop it first (systemctl stop stoep), or give this node its own storage.directory",
};

/** A store that cannot be used as it is. `remedy` is for the operator. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly remedy: string;

  constructor(code: StoreErrorCode, detail: string, options?: ErrorOptions) {
    super(detail, options);
    this.name = "StoreError";
    this.code = code;
    this.remedy = REMEDIES[code];
  }
}

/** How a store is kept. */
export interface DatabaseSettings {
  readonly synchronous: "OFF" | "FULL";
  /** One connection only: no -shm file, and no second reader that keeps old pages alive. */
  readonly exclusive: boolean;
  /** Overwrites what is deleted with zeros. */
  readonly secureDelete: boolean;
  /** Of a file that is made anew: one that has pages keeps their size. */
  readonly pageBytes: number;
  /** The WAL is copied into the file when it is this long. */
  readonly checkpointPages: number;
  /** The WAL is cut down to this after it was reset. */
  readonly walBytesMax: number;
}

const SYNCHRONOUS = { OFF: 0, FULL: 2 } as const;

const connectFile: Connect = (path) => new Database(path, { timeout: BUSY_TIMEOUT_MS });

/** Opens a database with the settings of Stoep, and checks that the engine took those that promises rest on. */
export function openDatabase(path: string, settings: DatabaseSettings, connect: Connect = connectFile): Connection {
  const db = connect(path);
  return closedOnError(db, () => {
    assertEngine(db.prepare<[], string>("SELECT sqlite_version()").pluck().get() ?? "");
    // Before the WAL is touched: this is what makes SQLite keep the WAL index in its own memory (sqlite.org/wal.html §8).
    if (settings.exclusive) db.pragma("locking_mode = EXCLUSIVE");
    db.pragma(`cache_size = -${CACHE_KIB_MAX}`);
    db.pragma("temp_store = MEMORY");
    db.pragma(`secure_delete = ${settings.secureDelete ? "ON" : "OFF"}`);
    db.pragma(`page_size = ${settings.pageBytes}`);
    const journal = db.pragma("journal_mode = WAL", { simple: true });
    if (journal !== (path === IN_MEMORY ? "memory" : "wal")) throw new StoreError("STORE_SETTING", `${path}: no WAL but ${journal}`);
    db.pragma(`wal_autocheckpoint = ${settings.checkpointPages}`);
    db.pragma(`journal_size_limit = ${settings.walBytesMax}`);
    // On every open: it is not kept in the file, and better-sqlite3 is built with NORMAL for a WAL.
    db.pragma(`synchronous = ${settings.synchronous}`);
    if (db.pragma("synchronous", { simple: true }) !== SYNCHRONOUS[settings.synchronous]) {
      throw new StoreError("STORE_SETTING", `${path}: synchronous is not ${settings.synchronous}`);
    }
    return db;
  });
}

/** Does `work` on a fresh connection, which is closed should it fail. */
export function closedOnError<T>(db: Connection, work: () => T): T {
  try {
    return work();
  } catch (error) {
    db.close();
    throw error;
  }
}

/** Throws `STORE_ENGINE_OLD` for an SQLite release that must not be trusted with data. */
export function assertEngine(version: string): void {
  const found = version.split(".").map(Number);
  const least = ENGINE_MIN.split(".").map(Number);
  for (const [index, part] of least.entries()) {
    const have = found[index] ?? 0;
    if (have > part) return;
    if (!(have === part)) throw new StoreError("STORE_ENGINE_OLD", `SQLite ${version} is older than ${ENGINE_MIN}`);
  }
}

/**
 * What an error of SQLite means for a store. `refused`: the file may be sound, but cannot be had now (another process holds it,
 * permissions, a read-only mount, no memory). Whatever else SQLite reports of statements that are known to be right is damage.
 */
export type StoreFault = "full" | "io" | "refused" | "damaged";

/** What SQLite says of a file whose bytes cannot be had (sqlite.org/rescode.html). */
const UNREADABLE = /^SQLITE_IOERR_(READ|SHORT_READ|DATA|CORRUPTFS)$/;

/** Whether an error says that the card does not give back what is on it; the others are about writing, locking, or looking. */
export const isUnreadable = (error: unknown): boolean => error instanceof Database.SqliteError && UNREADABLE.test(error.code);

const REFUSED = /^SQLITE_(BUSY|LOCKED|CANTOPEN|READONLY|PERM|AUTH|NOMEM|PROTOCOL|INTERRUPT)/;

/** Classifies an error; null when it is no fault of the file. `path`: the file, to tell a full disk from a broken one. */
export function storeFault(error: unknown, path: string): StoreFault | null {
  if (error instanceof StoreError) return error.code === "STORE_DAMAGED" ? "damaged" : null;
  if (!(error instanceof Database.SqliteError)) return null;
  if (error.code === "SQLITE_FULL") return "full";
  // ENOSPC on the -shm file is IOERR_SHMSIZE, not FULL (reliability reference §1.4).
  if (error.code.startsWith("SQLITE_IOERR")) return diskIsFull(path) ? "full" : "io";
  // One flipped bit of the header makes a file read-only that the system lets us write to (sqlite.org/fileformat2.html §1.3.3).
  if (error.code === "SQLITE_READONLY" && isWritable(path)) return "damaged";
  return REFUSED.test(error.code) ? "refused" : "damaged";
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** What is free for us on the disk of a file, bytes; null when the disk does not answer. */
export function freeBytes(path: string): number | null {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    return bavail * bsize;
  } catch {
    return null;
  }
}

/** How large the disk of a file is, bytes; null when it does not answer. */
export function diskBytes(path: string): number | null {
  try {
    const { blocks, bsize } = statfsSync(dirname(path));
    // Some file systems have no size of their own (btrfs on a stick, FUSE) and say 0.
    return blocks === 0 ? null : blocks * bsize;
  } catch {
    return null;
  }
}

/** A file system that does not answer is broken, not full. */
const diskIsFull = (path: string): boolean => path !== IN_MEMORY && (freeBytes(path) ?? FREE_BYTES_MIN) < FREE_BYTES_MIN;

/** Throws `STORE_DAMAGED` when the structure of the file is not sound. Takes time in proportion to its size. */
export function assertSound(db: Connection): void {
  const verdict = db.pragma("quick_check(1)", { simple: true });
  if (verdict !== "ok") throw new StoreError("STORE_DAMAGED", `quick_check: ${String(verdict).slice(0, 200)}`);
}

/** The files that belong to a database at `path`, the database itself first. */
export const databaseFiles = (path: string): readonly string[] => [path, ...["-wal", "-shm", "-journal"].map((suffix) => path + suffix)];

/** Deletes a database and everything beside it. */
export function removeDatabase(path: string): void {
  for (const file of databaseFiles(path)) rmSync(file, { force: true });
}
