import { join } from "node:path";
import Database from "better-sqlite3";
import { StoreError } from "./database.ts";
import { portError } from "./outbox-file.ts";

/** Holds a directory for as long as the process lives. */
export interface DirectoryLock {
  release(): void;
}

/**
 * Makes sure that one node works in a directory: two would give out the same numbers. The lock is SQLite's own file lock on a file
 * of its own, which the kernel takes back when the process dies, however it dies. Throws `StoreError` when another one has it, and
 * `OutboxError` when there is no room for it.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const path = join(directory, "node.lock");
  const db = new Database(path, { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    if (cause instanceof Database.SqliteError && cause.code.startsWith("SQLITE_BUSY")) {
      throw new StoreError("STORE_IN_USE", `another node works in ${directory}`, { cause });
    }
    throw portError(cause, path);
  }
  return { release: () => db.close() };
}
