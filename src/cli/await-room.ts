import { freeBytes } from "../adapters/sqlite/database.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import { OutboxError } from "../ports/outbox.ts";
import type { ServiceManager } from "../ports/service-manager.ts";

/** How often a node that waits for room tries again. Well within the watchdog's minute (systemd/stoep.service). */
const TRY_EVERY_MS = 5_000;

/** What a node says on its socket while it waits for room on the disk: it measures nothing yet. */
export interface WaitingStatus {
  readonly waiting: { readonly code: "DISK_FULL"; readonly path: string; readonly freeBytes: number | null; readonly remedy: string };
}

export interface RoomWorld {
  readonly clock: Clock;
  readonly events: Events;
  readonly manager: ServiceManager;
  /** The folder of node.db. */
  readonly directory: string;
  /** Answers `stoep status` meanwhile. */
  serve(status: () => WaitingStatus): Promise<{ close(): Promise<void> } | null>;
  /** Whether nobody is to wait: another file that held has its stores elsewhere, where there may be room. */
  hasElsewhere?(): Promise<boolean>;
  /** The node was asked to stop. */
  readonly stopping: AbortSignal;
}

/**
 * Opens the stores. When the disk has no room, not even that of the ballast, it waits for some and says so: a node without its node store
 * would not know which windows it has released. Rejects with whatever else goes wrong, and when the node is to stop.
 */
export async function whenThereIsRoom<T>(open: () => Promise<T>, world: RoomWorld): Promise<T> {
  const first = await tried(open);
  if ("opened" in first) return first.opened;
  if ((await world.hasElsewhere?.()) === true) throw first.noRoom;
  const { events, manager, directory, stopping } = world;
  const remedy = `make room on the disk of ${directory}: the node then goes on by itself`;
  const probe = `${directory}/node.db`;
  events.emit({ type: "NodeWaits", path: directory });
  const server = await world.serve(() => ({ waiting: { code: "DISK_FULL", path: directory, freeBytes: freeBytes(probe), remedy } }));
  try {
    // Started it is: systemd would else kill it after its start time, and start it anew, for ever.
    manager.ready();
    manager.status(`waits: ${remedy}`);
    for (;;) {
      await pause(world.clock, TRY_EVERY_MS, stopping);
      manager.watchdog();
      const next = await tried(open);
      if ("noRoom" in next) continue;
      manager.status("");
      return next.opened;
    }
  } catch (error) {
    if (stopping.aborted) manager.stopping();
    manager.close();
    throw error;
  } finally {
    await server?.close();
  }
}

async function tried<T>(open: () => Promise<T>): Promise<{ readonly opened: T } | { readonly noRoom: OutboxError }> {
  try {
    return { opened: await open() };
  } catch (error) {
    if (error instanceof OutboxError && error.code === "OUTBOX_FULL") return { noRoom: error };
    throw error;
  }
}

/** Rejects when `stopping` is aborted meanwhile. */
function pause(clock: Clock, delayMs: number, stopping: AbortSignal): Promise<void> {
  stopping.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      cancel();
      reject(stopping.reason);
    };
    const cancel = clock.after(delayMs, () => {
      stopping.removeEventListener("abort", stop);
      resolve();
    });
    stopping.addEventListener("abort", stop, { once: true });
  });
}
