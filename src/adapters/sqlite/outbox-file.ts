import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { OutboxError } from "../../ports/outbox.ts";
import { defineCrc } from "./checked-rows.ts";
import {
  assertSound,
  type Connect,
  type Connection,
  closedOnError,
  databaseFiles,
  IN_MEMORY,
  openDatabase,
  removeDatabase,
  StoreError,
  storeFault,
} from "./database.ts";
import { migrate, schemaVersion } from "./migrate.ts";
import { highWaterCrc } from "./outbox-row.ts";
import { OUTBOX_MIGRATIONS } from "./outbox-schema.ts";
import { DONE, earlierProgress, wrecksIn } from "./wrecks.ts";

/** Where the node store is, and how to connect to it. */
export interface OutboxFile {
  readonly path: string;
  readonly connect: Connect | undefined;
}

/** Who the store is. */
export interface StoreIdentity {
  readonly instance: string;
  readonly run: number;
}

/**
 * Three summaries of 700 B fill a page. The small tables, of which every commit writes a page, cost half of what they do at 4 KiB:
 * 18.5 MB a day in place of 23.3, and 16.5 with a WAL of 4 MB (test/bench/README.md, flash). 1 KiB saves no more: file systems write 4.
 */
const PAGE_BYTES = 2_048;
const CHECKPOINT_PAGES = 2_000;
/** The WAL is cut down to this; the ballast is twice as much, so that what is in it can be copied into the file. */
export const WAL_BYTES_MAX = 4 * 1024 * 1024;
const INSTANCE = /^[0-9a-f]{8}$/;

/** Opens node.db, made anew with `freshInstance` where there is none, and brings it to the newest schema. */
export function openOutboxFile({ path, connect }: OutboxFile, freshInstance: () => string): Connection {
  if (path !== IN_MEMORY) mkdirSync(dirname(path), { recursive: true });
  const db = openDatabase(
    path,
    {
      synchronous: "FULL",
      exclusive: false,
      secureDelete: false,
      pageBytes: PAGE_BYTES,
      checkpointPages: CHECKPOINT_PAGES,
      walBytesMax: WAL_BYTES_MAX,
    },
    connect,
  );
  return closedOnError(db, () => {
    defineCrc(db);
    if (schemaVersion(db) === 0) create(db, freshInstance());
    else inspect(db);
    return db;
  });
}

function create(db: Connection, instance: string): void {
  db.transaction(() => {
    migrate(db, OUTBOX_MIGRATIONS);
    db.prepare("INSERT INTO store (one, instance, run, clean) VALUES (1, ?, 0, 1)").run(instance);
    const crc = highWaterCrc({ position: 0, seq: 0, bytes: 0 });
    db.prepare("INSERT INTO standing (one, position, seq, bytes, crc) VALUES (1, 0, 0, 0, ?)").run(crc);
  })();
}

/** Migrates, but only what is whole: after a stop that was not clean the structure is checked first. */
function inspect(db: Connection): void {
  if (schemaVersion(db) <= OUTBOX_MIGRATIONS.length) {
    const store = db.prepare<[], { instance: string; clean: number }>("SELECT instance, clean FROM store").get();
    if (store === undefined || !INSTANCE.test(store.instance)) throw new StoreError("STORE_DAMAGED", "the store has no name");
    if (store.clean !== 1) assertSound(db);
  }
  migrate(db, OUTBOX_MIGRATIONS);
}

/** Counts the run, and notes that the store is in use: whoever finds it so knows that the run did not end well. */
export function beginRun(db: Connection): StoreIdentity {
  const identity = db.prepare<[], StoreIdentity>("UPDATE store SET run = run + 1, clean = 0 RETURNING instance, run").get();
  if (identity === undefined) throw new StoreError("STORE_DAMAGED", "the store has no name");
  return identity;
}

/** Notes that nothing is under way, and empties the WAL into the file. */
export function endRun(db: Connection): void {
  db.prepare("UPDATE store SET clean = 1").run();
  db.pragma("wal_checkpoint(TRUNCATE)");
}

/**
 * Moves a damaged database aside, WAL and all, as `<path>.corrupt-<n>`, and deletes those before it of which it says itself that their
 * salvage is done; the others stay until it is. The database goes first: a power cut in between leaves a WAL without a database, which
 * SQLite deletes at the next start, never the reverse, which would bring an old state back to life.
 */
export function quarantine(path: string): string {
  const directory = dirname(path);
  const prefix = `${basename(path)}.corrupt-`;
  const earlier = wrecksIn(directory);
  const beside = readdirSync(directory).filter((name) => name.startsWith(prefix));
  const numbers = beside.map((name) => Number.parseInt(name.slice(prefix.length), 10) || 0);
  const target = join(directory, `${prefix}${Math.max(0, ...numbers) + 1}`);
  const targets = databaseFiles(target);
  for (const [index, file] of databaseFiles(path).entries()) {
    if (existsSync(file)) renameSync(file, targets[index] ?? target);
  }
  for (const wreck of earlier) if (isDone(wreck)) removeDatabase(wreck);
  return target;
}

function isDone(wreck: string): boolean {
  try {
    return earlierProgress(wreck, { isPatient: true }) === DONE;
  } catch {
    return false; // it cannot be known now
  }
}

/** An error of the store in the words of the port; one that is a bug of ours stays what it is. */
export function portError(error: unknown, path: string): unknown {
  const fault = storeFault(error, path);
  return fault === null ? error : new OutboxError(fault === "full" ? "OUTBOX_FULL" : "OUTBOX_IO", { cause: error });
}
