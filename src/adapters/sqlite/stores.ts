import { LiveStoreError } from "../../ports/live-store.ts";
import type { Connect } from "./database.ts";
import { type LiveStoreOptions, liveWitness, openLiveStore, type SqliteLiveStore } from "./live-store.ts";
import { type NodeStore, type OutboxOptions, openOutbox } from "./outbox.ts";

export interface StoresOptions extends Pick<OutboxOptions, "directory" | "randomBytes"> {
  readonly live: Pick<LiveStoreOptions, "path" | "bootId" | "bytesMax">;
  /** A name of this machine that no card carries with it; null: it has none. */
  readonly machine: string | null;
  /** What the wall clock shows, for the log of changes. */
  readonly wallMs: number;
  /** How to connect; only tests say otherwise. */
  readonly connect?: Connect;
}

/** The two stores of a node, which vouch for each other. */
export interface Stores {
  readonly outbox: NodeStore;
  readonly live: SqliteLiveStore;
}

/**
 * Opens both stores of a node. First what live.db remembers of node.db is asked: a node.db that is behind it was put back, and gets a
 * new name. Then live.db is opened under the name that node.db has now: one that is bound to another name is deleted unread.
 */
export async function openStores({ directory, randomBytes, live: place, machine, wallMs, connect }: StoresOptions): Promise<Stores> {
  const connecting = connect === undefined ? {} : { connect };
  const witness = place.path === null ? null : liveWitness(place.path, connect);
  let live: SqliteLiveStore | null = null;
  const outbox = await openOutbox({
    directory,
    randomBytes,
    ...connecting,
    surroundings: { machine, witness, wallMs },
    onCommit: (position) => noted(live, outbox.run, position),
  });
  try {
    live = openLiveStore({ ...place, ...connecting, instance: outbox.instance });
    live.noteStanding(outbox.run, outbox.standing().lastPosition);
    return { outbox, live };
  } catch (error) {
    await outbox.close();
    throw error;
  }
}

/** The commit is on the card, whatever becomes of the note; the next one makes up for it. */
function noted(live: SqliteLiveStore | null, run: number, position: number): void {
  try {
    live?.noteStanding(run, position);
  } catch (error) {
    if (!(error instanceof LiveStoreError)) throw error;
  }
}
