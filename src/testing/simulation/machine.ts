import type { NodePlan } from "../../config/plan.ts";
import type { Crypto } from "../../ports/crypto.ts";
import type { LiveStore } from "../../ports/live-store.ts";
import type { Outbox } from "../../ports/outbox.ts";

/** Which store a statement of SQL is for. */
export type StoreName = "node" | "live";

/** What becomes of a statement: it is carried out, or fails as SQLite says it. */
export type StatementFate = "done" | "SQLITE_FULL" | "SQLITE_IOERR_WRITE" | "SQLITE_IOERR_FSYNC";

/** What a statement is about to do; `committed`: a transaction is over, and its caller is about to be told. */
export type Statement = "read" | "write" | "committed";

/** The disk under both stores. Asked before every statement, and after every commit. */
export interface Disk {
  step(store: StoreName, statement: Statement): StatementFate;
}

export interface OpenRequest {
  readonly disk: Disk;
  readonly bootId: string;
  readonly wallMs: number;
  /** Where names of fresh stores come from. */
  randomBytes(count: number): Uint8Array;
}

/** Both stores, open, and what opening them found. */
export interface OpenStores {
  readonly outbox: Outbox;
  readonly live: LiveStore;
  /** Node.db was put back or moved: it has a new name. */
  readonly isRenewed: boolean;
  /** Why readings of the run before were thrown away, or null. */
  readonly discarded: string | null;
}

/** Numbers of summaries that left together, both ends included; null: metas only. */
export interface NumbersLeft {
  readonly fromSeq: number | null;
  readonly toSeq: number | null;
}

/**
 * The parts of the real world that a simulation is made of: drivers by their names, plans as the command line makes them, and SQL in
 * real files, which stay when the node dies. They are passed in, because only the command line knows adapters.
 */
export interface Machine {
  readonly digests: Pick<Crypto, "keyedHash" | "sha256">;
  /** The plan of a node file. Throws what is wrong with it. */
  plan(text: string): Promise<NodePlan>;
  /** Opens the stores as they are on the card and in memory. */
  open(request: OpenRequest): Promise<OpenStores>;
  /** The process is killed at this instant: whatever is done to its files from now on is not seen by the next. */
  kill(): void;
  /** The power is cut: what was in memory is gone. After `kill`. */
  cutPower(): void;
  /** Lets go of what dead processes hold. To be called when nothing of them runs any more. */
  bury(): void;
  /** Everything on the card, file by file. */
  card(): readonly Uint8Array[];
  /** What the egress log says of summaries that left, the oldest entry first; null when older entries were dropped. */
  departures(): readonly NumbersLeft[] | null;
  /** A filter for the bounce of one contact, as the adapters have it: which of the edges are told, at these times in ms. */
  debouncer(debounceMs: number): (atMs: number) => boolean;
  /** Tells of promises whose failure nobody met: in the field that ends the process. Until `remove`. */
  onUnhandled(tell: (error: unknown) => void): void;
  /** Deletes everything. */
  remove(): void;
}
