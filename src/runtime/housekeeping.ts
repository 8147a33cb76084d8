import type { StoragePlan } from "../config/plan.ts";
import type { EpochMs } from "../core/units/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { Outbox } from "../ports/outbox.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import type { TimeDesk } from "./time-desk.ts";

/** A PUBACK is not durability: acknowledged rows stay replayable this long (promise P3). */
const REPLAY_MS = 72 * 3_600_000;
/** Once an hour, away from the full hour, when many windows close. */
const TRIM_CRON = "17 * * * *";

interface TrimWorld {
  readonly clock: Clock;
  readonly events: Events;
  readonly outbox: Outbox;
}

/** Trims the outbox by the calendar, and when asked. */
export class Housekeeping {
  readonly #storage: StoragePlan;
  readonly #world: TrimWorld & { readonly scheduler: Scheduler };
  readonly #time: TimeDesk;
  #cancel: Cancel | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(storage: StoragePlan, world: TrimWorld & { readonly scheduler: Scheduler }, time: TimeDesk) {
    this.#storage = storage;
    this.#world = world;
    this.#time = time;
  }

  start(): void {
    this.#cancel = this.#world.scheduler.every(TRIM_CRON, () => {
      this.#running = this.trim();
      return this.#running;
    });
  }

  trim(): Promise<void> {
    return trimOutbox(this.#storage, this.#world, this.#time);
  }

  /** No run begins any more; resolves when the one that is going is over. */
  stop(): Promise<void> {
    this.#cancel?.();
    return this.#running;
  }
}

/**
 * Lets go of what was kept long enough or is too much; slice by slice, so that nothing else waits. Nothing ages on time that is not
 * trusted, or that just leapt.
 */
async function trimOutbox(storage: StoragePlan, { clock, events, outbox }: TrimWorld, time: TimeDesk): Promise<void> {
  const now = time.ageing();
  const before = (ageMs: number): EpochMs | null => (now === null ? null : ((now - ageMs) as EpochMs));
  const limits = {
    bytesMax: storage.outbox.maxBytes,
    acknowledgedBefore: before(REPLAY_MS),
    pendingBefore: before(storage.outbox.maxAgeMs),
    egressBefore: before(storage.egress.keepMs),
    egressBytesMax: storage.egress.maxBytes,
  };
  let rows = 0;
  try {
    for (;;) {
      const step = await outbox.trim(limits);
      rows += step.rows;
      if (!step.more) break;
      await clock.breathe();
    }
  } catch (error) {
    events.emit({ type: "OutboxFailed", code: "trim", detail: error instanceof Error ? error.message : String(error) });
  }
  if (rows > 0) events.emit({ type: "OutboxTrimmed", rows });
}
