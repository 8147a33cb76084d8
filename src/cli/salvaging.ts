import { salvage } from "../adapters/sqlite/salvage.ts";
import { UnreadableNow } from "../adapters/sqlite/wrecks.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { Outbox } from "../ports/outbox.ts";

/** Between two commits of salvaged rows: a card that takes as long for one leaves the node half of its time. */
const PAUSE_MS = 50;
/** Until it is looked for room again, or a card is tried again that failed. */
const AGAIN_MS = 60_000;

/** What the card does not give for so many minutes counts as damaged: what stands behind it is not to wait for ever. */
const PATIENCE = 5;

interface SalvagingWorld {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly events: Events;
}

/** Takes over what waits in damaged stores, beside the work of the node, which does not wait for it. */
export class Salvaging {
  readonly #world: SalvagingWorld;
  #isStopped = false;
  #cancel: Cancel | null = null;
  #isLeftSaid = false;
  #unreadable = 0;

  constructor(directory: string, bytesMax: number, world: SalvagingWorld) {
    this.#world = world;
    void this.#run(directory, bytesMax);
  }

  /** The rest is for the next start. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  async #run(directory: string, bytesMax: number): Promise<void> {
    const { outbox, events, clock } = this.#world;
    try {
      const found = await salvage(directory, outbox, { bytesMax, isPatient: this.#unreadable < PATIENCE, goesOn: () => this.#goesOn() });
      this.#unreadable = 0;
      for (const one of found) {
        const isOver = one.left === 0;
        if (isOver || !(this.#isLeftSaid || this.#isStopped)) events.emit({ type: "OutboxSalvaged", ...one });
        this.#isLeftSaid = !isOver;
      }
      if (found.every(({ left }) => left === 0)) return;
    } catch (error) {
      if (error instanceof UnreadableNow) this.#unreadable++;
      events.emit({ type: "OutboxFailed", code: "salvage", detail: error instanceof Error ? error.message : String(error) });
    }
    if (!this.#isStopped) this.#cancel = clock.after(AGAIN_MS, () => void this.#run(directory, bytesMax));
  }

  #goesOn(): Promise<boolean> {
    return new Promise((resolve) => this.#world.clock.after(PAUSE_MS, () => resolve(!this.#isStopped)));
  }
}
