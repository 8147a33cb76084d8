import { dirname, join } from "node:path";
import type { Outbox } from "../../ports/outbox.ts";
import { Ballast } from "./ballast.ts";
import { areMarksInDoubt, mendDamaged } from "./checked-rows.ts";
import { type Connect, closedOnError, freeBytes, IN_MEMORY, isUnreadable, storeFault } from "./database.ts";
import { beginAs, NOTHING_AROUND, type RenewalCause, type Surroundings } from "./instance.ts";
import { loadCounters } from "./outbox-counters.ts";
import { type OutboxFile, openOutboxFile, portError, quarantine, WAL_BYTES_MAX } from "./outbox-file.ts";
import { prepareOutbox } from "./outbox-statements.ts";
import { SqliteOutbox, type Started, type StorePlace } from "./outbox-store.ts";
import type { FreeBytes } from "./pressure.ts";

export interface OutboxOptions {
  /** Where node.db lives; null: in memory, for tests and simulations that never restart. */
  readonly directory: string | null;
  /** From the system's generator: the name of a fresh store comes of it. */
  readonly randomBytes: (count: number) => Uint8Array;
  /** How to connect; only tests say otherwise. */
  readonly connect?: Connect;
  /** How much room the disk has; only tests say otherwise. */
  readonly free?: FreeBytes;
  /** What is known of the machine, and of the last run; absent: nothing, and the store keeps its name. */
  readonly surroundings?: Surroundings;
  /** Called after each commit, with the last position that is on the card. Must not throw. */
  onCommit?(position: number): void;
}

/** The outbox in node.db, and what became of its name. */
export interface NodeStore extends Outbox {
  /** Why the store has a new name since this start, or null. */
  readonly renewed: RenewalCause | null;
  /** How many marks and facts were not what had been written, and were mended or taken out at this start. */
  readonly repaired: number;
  /** Sets room aside on the disk for when it is full, if there is room; beside other work. Never rejects. */
  keepBallast(): Promise<void>;
}

const INSTANCE_BYTES = 4;
/** Name of the file that holds room for when the disk is full. */
const BALLAST = "node.ballast";

/**
 * Opens the node store. A damaged one is moved aside and a fresh one made: sensing must not stop. Throws `StoreError` for a store
 * of a later release, and `OutboxError` when there is no room or the file cannot be had.
 */
export async function openOutbox(options: OutboxOptions): Promise<NodeStore> {
  const path = options.directory === null ? IN_MEMORY : join(options.directory, "node.db");
  const file: OutboxFile = { path, connect: options.connect };
  const freshInstance = (): string => Buffer.from(options.randomBytes(INSTANCE_BYTES)).toString("hex");
  const free = options.free ?? freeBytes;
  const ballast = path === IN_MEMORY ? null : new Ballast(join(dirname(path), BALLAST), 2 * WAL_BYTES_MAX, options.randomBytes, free);
  const place: StorePlace = { file, ballast, free, onCommit: (position) => options.onCommit?.(position) };
  const start = () => startStore(file, freshInstance, options.surroundings ?? NOTHING_AROUND);
  try {
    try {
      return new SqliteOutbox(place, startPatiently(start, path, ballast), null);
    } catch (error) {
      const fault = storeFault(error, path);
      // A file that cannot be read is as good as damaged: it is kept aside. One that cannot be written is what it was, and stays.
      if (path === IN_MEMORY || (fault !== "damaged" && !isUnreadable(error))) throw error;
      const moved = quarantine(path);
      return new SqliteOutbox(place, start(), moved);
    }
  } catch (error) {
    throw portError(error, path);
  }
}

/** An I/O error may be of the moment: only one that comes twice is held against the file. On a full disk the ballast makes room. */
function startPatiently(start: () => Started, path: string, ballast: Ballast | null): Started {
  try {
    return start();
  } catch (error) {
    const fault = storeFault(error, path);
    const isWorthwhile = fault === "io" || (fault === "full" && (ballast?.release() ?? false));
    if (!isWorthwhile) throw error;
    return start();
  }
}

function startStore(file: OutboxFile, freshInstance: () => string, surroundings: Surroundings): Started {
  const db = openOutboxFile(file, freshInstance);
  return closedOnError(db, () => {
    const sql = prepareOutbox(db);
    const repaired = mendDamaged(db, sql);
    const counters = loadCounters(sql);
    const identity = beginAs(db, counters.lastPosition, surroundings, freshInstance);
    return { db, sql, counters, repaired, isDoubtful: areMarksInDoubt(sql), ...identity };
  });
}
