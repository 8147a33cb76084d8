import type { Ballast } from "./ballast.ts";
import { type Connection, storeFault } from "./database.ts";

/** With less than this free nobody waits for the first write that fails: a WAL may need 4 MB before it is copied into the file. */
const SHORT_BYTES = 2 * 1024 * 1024;
/** With this much free the disk has room again: for the ballast, and as much beside it. */
const ROOM_BYTES = 16 * 1024 * 1024;
/** SQLite's own (sqlite.org/limits.html §12). */
const PAGES_MAX = 4_294_967_294;

/** What is free for us on the disk of a file, bytes; null when the disk does not answer. */
export type FreeBytes = (path: string) => number | null;

/**
 * Knows whether the disk is short of room, and keeps a database usable on it. While it is short, the file does not grow: every page that
 * is in the WAL has its place in the file, so that the WAL can be copied and begun anew whatever happens, and deleting makes room.
 */
export class Pressure {
  readonly #path: string;
  readonly #ballast: Ballast;
  readonly #free: FreeBytes;
  #isShort = false;

  constructor(path: string, ballast: Ballast, free: FreeBytes) {
    this.#path = path;
    this.#ballast = ballast;
    this.#free = free;
  }

  get isShort(): boolean {
    return this.#isShort;
  }

  /** A connection that was opened anew has no limit yet. */
  forget(): void {
    this.#isShort = false;
  }

  /** Looks at the disk before a write. */
  look(db: Connection): void {
    const free = this.#free(this.#path);
    if (free === null) return;
    if (!this.#isShort && free < SHORT_BYTES) this.press(db);
    if (this.#isShort && free >= ROOM_BYTES) {
      db.pragma(`max_page_count = ${PAGES_MAX}`);
      this.#isShort = false;
      void this.#ballast.restore();
    }
  }

  /** Lets the file grow no further, if need be with the room of the ballast. */
  press(db: Connection): void {
    this.#isShort = true;
    if (!this.#isCopied(db, "RESTART") && this.#ballast.release()) this.#isCopied(db, "RESTART");
    db.pragma(`max_page_count = ${Number(db.pragma("page_count", { simple: true }))}`);
  }

  /** Even deleting does not fit: gives the ballast away. False when there is none any more. */
  yieldBallast(db: Connection): boolean {
    if (!this.#ballast.release()) return false;
    this.press(db);
    return true;
  }

  /** After a write: the next one begins the WAL anew, in the room that it has. */
  settle(db: Connection): void {
    if (this.#isShort) this.#isCopied(db, "PASSIVE");
  }

  #isCopied(db: Connection, how: "RESTART" | "PASSIVE"): boolean {
    try {
      db.pragma(`wal_checkpoint(${how})`);
      return true;
    } catch (error) {
      if (storeFault(error, this.#path) !== "full") throw error;
      return false;
    }
  }
}
