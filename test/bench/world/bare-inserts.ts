import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";

/** Rows of one transaction of the baseline. */
export const BASELINE_BATCH = 1_000;
const STREAMS = 50;

/** Bare better-sqlite3 row inserts on tmpfs, no index: what a reading costs that is only written down. */
export class BareInserts {
  readonly #directory = mkdtempSync("/dev/shm/stoep-bench-");
  readonly #db = new Database(join(this.#directory, "bare.db"));
  readonly #insertBatch: (from: number) => void;

  constructor() {
    this.#db.pragma("journal_mode = WAL");
    this.#db.pragma("synchronous = OFF");
    this.#db.pragma("locking_mode = EXCLUSIVE");
    this.#db.exec("CREATE TABLE r (stream INTEGER, mono REAL, value REAL)");
    const insert = this.#db.prepare("INSERT INTO r (stream, mono, value) VALUES (?, ?, ?)");
    this.#insertBatch = this.#db.transaction((from: number) => {
      for (let row = 0; row < BASELINE_BATCH; row++) insert.run(row % STREAMS, from + row, 12.5 + row);
    });
  }

  /** Inserts so many rows into an empty table. */
  run(rows: number): void {
    this.#db.exec("DELETE FROM r");
    for (let from = 0; from < rows; from += BASELINE_BATCH) this.#insertBatch(from);
  }

  close(): void {
    this.#db.close();
    rmSync(this.#directory, { recursive: true });
  }
}
