import { join } from "node:path";
import Database from "better-sqlite3";
import { StoreError } from "./database.ts";

/** Holds a directory for as long as the process lives. */
export interface DirectoryLock {
  release(): void;
}

/**
 * Makes sure that one node works in a directory: two would give out the same numbers. The lock is SQLite's own file lock on a file
 * of its own, which the kernel takes back when the process dies, however it dies. Throws `StoreError` when another one has it.
 */
export function lockDirectory(directory: string): DirectoryLock {
  const db = new Database(join(directory, "node.lock"), { timeout: 0 });
  try {
    db.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    throw new StoreError("STORE_IN_USE", `another node works in ${directory}`, { cause });
  }
  return { release: () => db.close() };
}
