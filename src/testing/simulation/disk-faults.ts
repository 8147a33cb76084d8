import type { Dice } from "./chance.ts";
import type { Fault } from "./faults.ts";
import type { Statement, StatementFate, StoreName } from "./machine.ts";

/** Statements of node.db among which the one that fails, or is the last, is chosen: a few closes and acknowledgements. */
const NODE_STATEMENTS = 60;
/** Of live.db, which gets some every second. A fault that ends before does nothing. */
const LIVE_STATEMENTS = 100;
/** How long a card may stall (SD Physical Layer 6.10 §4.6.2: a write may take 500 ms, and bad cards take longer). */
const STALL_MS_MAX = 4_000;
/** One call in so many stalls while a card is slow. */
const STALL_EVERY = 60;

/** What the disk is asked to do to the world. */
export interface DiskWorld {
  crash(store: StoreName): void;
  stall(forMs: number): void;
}

interface Countdown {
  left: number;
}

/** The disk under the stores: does what it is told, but for the faults that are on. */
export class DiskFaults {
  readonly #world: DiskWorld;
  readonly #dice: Dice;
  readonly #crashes: Record<StoreName, Countdown | null> = { node: null, live: null };
  readonly #full: Record<StoreName, number> = { node: 0, live: 0 };
  #error: Countdown | null = null;
  #slow = 0;

  constructor(world: DiskWorld, dice: Dice) {
    this.#world = world;
    this.#dice = dice;
  }

  /** Begins a fault of the disk; gives what ends it. */
  begins({ kind, lot }: Fault): () => void {
    if (kind === "crash-node" || kind === "crash-live") {
      const store = kind === "crash-node" ? "node" : "live";
      this.#crashes[store] = { left: lot % (store === "node" ? NODE_STATEMENTS : LIVE_STATEMENTS) };
      return () => {
        this.#crashes[store] = null;
      };
    }
    if (kind === "disk-error") {
      this.#error = { left: lot % NODE_STATEMENTS };
      return () => {
        this.#error = null;
      };
    }
    if (kind === "stall") {
      this.#slow++;
      return () => void this.#slow--;
    }
    const store = kind === "disk-full" ? "node" : "live";
    this.#full[store]++;
    return () => void this.#full[store]--;
  }

  step(store: StoreName, statement: Statement): StatementFate {
    const crash = this.#crashes[store];
    if (crash !== null && crash.left-- === 0) {
      this.#crashes[store] = null;
      this.#world.crash(store);
      return "SQLITE_IOERR_WRITE"; // to whom it is told is dead
    }
    if (store === "node" && this.#slow > 0 && this.#dice.below(STALL_EVERY) === 0) this.#world.stall(this.#dice.below(STALL_MS_MAX));
    if (store === "node" && this.#error !== null && this.#error.left-- === 0) {
      this.#error = null;
      return statement === "committed" ? "SQLITE_IOERR_FSYNC" : "SQLITE_IOERR_WRITE";
    }
    return statement === "write" && this.#full[store] > 0 ? "SQLITE_FULL" : "done";
  }
}
