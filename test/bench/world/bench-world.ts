import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLiveStore } from "../../../src/adapters/sqlite/live-store.ts";
import { openOutbox } from "../../../src/adapters/sqlite/outbox.ts";
import { createSystemCrypto } from "../../../src/adapters/system-crypto.ts";
import type { NodePlan } from "../../../src/config/plan.ts";
import type { NodeEvent } from "../../../src/core/events/events.ts";
import { HOUR_MS } from "../../../src/core/units/time.ts";
import type { Broker } from "../../../src/ports/broker.ts";
import type { PortListener, SerialBus } from "../../../src/ports/field-port.ts";
import type { World } from "../../../src/runtime/node.ts";
import type { NodeIdentity } from "../../../src/runtime/status.ts";
import { BenchClock } from "./bench-clock.ts";

const LIVE_BYTES_MAX = 256 * 1024 * 1024;

/** What must not happen in a bench: its figure would be of something else. */
const TROUBLE: ReadonlySet<NodeEvent["type"]> = new Set([
  "BalanceBroken",
  "CloseFailed",
  "LiveStoreFull",
  "OutboxFailed",
  "WindowsSkipped",
]);

/** Serial ports that take bytes from the bench at once. */
export class BenchBus implements SerialBus {
  readonly #listeners = new Map<string, PortListener>();

  open(path: string, _settings: unknown, listener: PortListener): ReturnType<SerialBus["open"]> {
    this.#listeners.set(path, listener);
    queueMicrotask(() => listener({ type: "opened", settings: {} }));
    return { write: () => {}, signal: () => {}, close: () => {} };
  }

  /** Every port hands over these bytes. */
  feed(data: Uint8Array): void {
    for (const listener of this.#listeners.values()) listener({ type: "bytes", data });
  }

  realPath(path: string): string {
    return path;
  }
}

export interface BenchWorld {
  readonly world: World;
  readonly clock: BenchClock;
  readonly bus: BenchBus;
  /** Removes the files; the node has closed the stores. */
  dispose(): void;
}

/** The real stores, node.db on the disk of the temporary folder and live.db on tmpfs, under a clock that the bench moves. */
export async function benchWorld(plan: NodePlan, brokerOn: (clock: BenchClock) => Broker): Promise<BenchWorld> {
  const liveDirectory = mkdtempSync("/dev/shm/stoep-bench-");
  const clock = new BenchClock();
  const crypto = createSystemCrypto();
  const bus = new BenchBus();
  const outbox = await openOutbox({ directory: plan.storage.directory, randomBytes: (count) => crypto.randomBytes(count) });
  const live = openLiveStore({
    path: join(liveDirectory, "live.db"),
    instance: outbox.instance,
    bootId: clock.bootId,
    bytesMax: LIVE_BYTES_MAX,
  });
  const none = { write: () => {}, signal: () => {}, close: () => {} };
  const world: World = {
    clock,
    crypto,
    events: {
      emit(event) {
        if (TROUBLE.has(event.type)) throw new Error(`the node reports ${JSON.stringify(event)}`);
      },
    },
    scheduler: {
      every(_expression, task) {
        let cancel = clock.after(HOUR_MS, function again() {
          cancel = clock.after(HOUR_MS, again);
          void task();
        });
        return () => cancel();
      },
    },
    serial: bus,
    gpio: {
      probe: () => Promise.resolve({ backend: "none", detail: "", limits: [], remedy: "" }),
      watch: () => ({ ...none, ignoredEdges: () => 0 }),
      close: () => {},
    },
    files: { open: () => ({ ...none, request: () => undefined }) },
    replay: { open: () => none },
    live,
    outbox,
    broker: brokerOn(clock),
    residentBytes: () => process.memoryUsage.rss(),
  };
  return {
    world,
    clock,
    bus,
    dispose() {
      rmSync(liveDirectory, { recursive: true });
      rmSync(plan.storage.directory, { recursive: true });
    },
  };
}

/** A folder on the disk, which stands for the card. */
export const diskFolder = (): string => mkdtempSync(join(tmpdir(), "stoep-bench-"));

export const BENCH_IDENTITY: NodeIdentity = { version: "bench", configRev: "bench", bootId: "bench", outboxHours: null };
