import { createHash } from "node:crypto";
import { AGEING_FACT, COURSES_FACT, LOST_EARLIER_FACT, SALVAGED_FACT, TRUSTED_FACT } from "../../ports/outbox.ts";
import { DOUBT } from "./checked-rows.ts";
import { type Connection, StoreError } from "./database.ts";
import { changeHash } from "./ledger-row.ts";
import { beginRun, type StoreIdentity } from "./outbox-file.ts";

/**
 * What live.db remembers of node.db. It is memory, and node.db is a card that may be taken out, copied and put back: what was committed
 * before the last commit that live.db saw can only be missing from a copy.
 */
export interface Witness extends StoreIdentity {
  /** Last position of node.db that is known to have been committed. */
  readonly position: number;
}

/** What a store is judged by when it is opened. */
export interface Surroundings {
  /** A name of this machine that no card carries with it; null: it has none, and is not compared. */
  readonly machine: string | null;
  /** What live.db remembers; null: nothing. */
  readonly witness: Witness | null;
  /** What the wall clock shows, for the log of changes. */
  readonly wallMs: number;
}

/** `put-back`: an older copy stands in the place of the store. `other-machine`: the store was written on another machine. */
export type RenewalCause = "put-back" | "other-machine";

/** Who the store is in this run. */
export interface RunIdentity extends StoreIdentity {
  /** Why its name is new since this start, or null. */
  readonly renewed: RenewalCause | null;
}

export const NOTHING_AROUND: Surroundings = { machine: null, witness: null, wallMs: 0 };

/**
 * Begins a run. A store that was put back, or came from another machine, does not know all that was released under its name, so
 * that it gets another one: what waits is sent as it is, numbers, marks and ledger go on, and everything that was remembered in facts
 * (terms, rests of longer windows, which metas the broker has) is forgotten, so that nothing half-made goes on under the new name.
 * What belongs to the marks stays with them, and what is known of damaged stores beside it.
 */
export function beginAs(db: Connection, lastPosition: number, around: Surroundings, freshInstance: () => string): RunIdentity {
  return db.transaction((): RunIdentity => {
    const { instance, run } = beginRun(db);
    const cause = causeOf(db, { instance, run }, lastPosition, around);
    if (cause === null) {
      if (around.machine !== null) setMachine(db, instance, around.machine);
      return { instance, run, renewed: null };
    }
    const fresh = freshInstance();
    const nextRun = cause === "put-back" ? Math.max(run, (around.witness?.run ?? 0) + 1) : run;
    db.prepare("UPDATE store SET instance = ?, run = ?, machine = NULL").run(fresh, nextRun);
    if (around.machine !== null) setMachine(db, fresh, around.machine);
    const kept = [COURSES_FACT, TRUSTED_FACT, AGEING_FACT, DOUBT.marks, DOUBT.facts, LOST_EARLIER_FACT];
    db.prepare("DELETE FROM fact WHERE key NOT IN (?, ?, ?, ?, ?, ?) AND key NOT LIKE ?").run(...kept, `${SALVAGED_FACT}%`);
    noteChange(db, around.wallMs, JSON.stringify({ instance: fresh, before: instance, because: cause }));
    return { instance: fresh, run: nextRun, renewed: cause };
  })();
}

function causeOf(db: Connection, { instance, run }: StoreIdentity, lastPosition: number, around: Surroundings): RenewalCause | null {
  const { machine, witness } = around;
  const written = db.prepare<[], string | null>("SELECT machine FROM store").pluck().get() ?? null;
  if (machine !== null && written !== null && written !== hashOf(instance, machine)) return "other-machine";
  if (witness === null || witness.instance !== instance) return null;
  // This run has a number of its own: one that live.db has seen already is from a copy.
  return run <= witness.run || lastPosition < witness.position ? "put-back" : null;
}

const hashOf = (instance: string, machine: string): string => createHash("sha256").update(`${instance}\n${machine}`, "utf8").digest("hex");

function setMachine(db: Connection, instance: string, machine: string): void {
  db.prepare("UPDATE store SET machine = ?").run(hashOf(instance, machine));
}

function noteChange(db: Connection, atMs: number, text: string): void {
  const before = db.prepare<[], string>("SELECT hash FROM change ORDER BY id DESC LIMIT 1").pluck().get() ?? "";
  db.prepare("INSERT INTO change (at_ms, text, hash) VALUES (?, ?, ?)").run(atMs, text, changeHash(before, atMs, text));
}

/** Throws when the store that was opened again is not the one that was open, or is an older state of it. */
export function assertSameStore(db: Connection, was: StoreIdentity, lastKnown: number, lastFound: number): void {
  const now = db.prepare<[], StoreIdentity>("SELECT instance, run FROM store").get();
  if (now?.instance === was.instance && now.run === was.run && lastFound >= lastKnown) return;
  throw new StoreError("STORE_DAMAGED", "node.db is not the one that was open");
}
