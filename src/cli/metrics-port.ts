import type { Cancel, Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";

/** How often a port is tried that could not be had. */
const AGAIN_MS = 60_000;

export interface MetricsWorld {
  readonly clock: Clock;
  readonly events: Events;
  /** Listens on a port of loopback. Rejects with why it cannot, and with a `remedy` where there is one. */
  listen(port: number): Promise<{ close(): Promise<void> }>;
  /** Whether `METRICS_PORT_REFUSED` is the case. */
  mark(isRefused: boolean): void;
}

/**
 * Metrics on loopback, on the port that the plan names. A port that cannot be had is no reason to end: who asks for metrics gets none,
 * the node says so, and tries again each minute and at a reload.
 */
export class MetricsPort {
  readonly #world: MetricsWorld;
  #wanted: number | null = null;
  #server: { readonly port: number; close(): Promise<void> } | null = null;
  #turn: Promise<void> = Promise.resolve();
  #cancel: Cancel = () => undefined;
  #refused: { readonly port: number; readonly detail: string } | null = null;
  #isClosed = false;

  constructor(world: MetricsWorld) {
    this.#world = world;
  }

  /** Listens there from now on, and nowhere else; null: nowhere. Resolves when that was tried. */
  follow(port: number | null): Promise<void> {
    this.#wanted = this.#isClosed ? null : port;
    this.#turn = this.#turn.then(() => this.#follow());
    return this.#turn;
  }

  /** For good. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.follow(null);
  }

  async #follow(): Promise<void> {
    this.#cancel();
    const port = this.#wanted;
    if (this.#server !== null && this.#server.port !== port) {
      await this.#server.close();
      this.#server = null;
    }
    const why = port === null || this.#server !== null ? null : await this.#refusal(port);
    this.#mark(port, why);
    if (why !== null) this.#cancel = this.#world.clock.after(AGAIN_MS, () => void this.follow(this.#wanted));
  }

  /** Why the port cannot be had; null: it can. */
  async #refusal(port: number): Promise<{ readonly detail: string; readonly remedy: string } | null> {
    try {
      const server = await this.#world.listen(port);
      this.#server = { port, close: () => server.close() };
      return null;
    } catch (error) {
      const remedy = error instanceof Error && "remedy" in error ? String(error.remedy) : "name another metrics.port, or none";
      return { detail: error instanceof Error ? error.message : String(error), remedy };
    }
  }

  /** Said once for as long as nothing changes: a port may be taken for years. */
  #mark(port: number | null, why: { readonly detail: string; readonly remedy: string } | null): void {
    const { events, mark } = this.#world;
    const before = this.#refused;
    this.#refused = port === null || why === null ? null : { port, detail: why.detail };
    const isNews = before?.port !== port || before?.detail !== why?.detail;
    if (port !== null && why !== null && isNews) events.emit({ type: "MetricsPortRefused", port, ...why });
    if (port !== null && why === null && before !== null) events.emit({ type: "MetricsPortOpened", port });
    mark(this.#refused !== null);
  }
}
