import type { BusEvent, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

/** The name of the line when a driver names none (`Driver.lines`). */
const LINE = "line";
const STATE = "state";
/** Indices into the states of `bay_state`: free, taken. */
const FREE = 0;
const TAKEN = 1;
const HOLD = "hold";
/**
 * How long a level must hold before it is a state. Chosen, from no document: a car that crosses the bay to the next one is gone sooner.
 * Both are equal, so that a stay is as long as it was.
 */
const HOLD_MS = 10_000;
const HOLD_MS_MAX = 600_000;
const NS_PER_MS = 1_000_000n;

interface Options {
  readonly takenHigh: boolean;
  readonly takenAfterMs: number;
  readonly freeAfterMs: number;
}

/** A level that is not a state yet. */
interface Candidate {
  readonly state: typeof FREE | typeof TAKEN;
  readonly sinceMs: number;
}

class ParkingBay implements Session {
  readonly #options: Options;
  /** The state that was told last, null while none was since the port was opened. */
  #told: number | null = null;
  #candidate: Candidate | null = null;

  constructor(options: Options) {
    this.#options = options;
  }

  handle(event: BusEvent, out: SessionSink): void {
    switch (event.type) {
      case "opened": {
        // An empty bay at night is no fault: the port shows life.
        out.expect(null);
        const high = event.settings.lines?.[LINE]?.high ?? null;
        if (high !== null) this.#level(high, event.atMs, event.atMs, out);
        break;
      }
      case "edge":
        if (event.line === LINE) this.#level(event.rising, Math.min(Number(event.atNs / NS_PER_MS), event.atMs), event.atMs, out);
        break;
      case "timer":
        if (event.name === HOLD) this.#holdOver(event.atMs, out);
        break;
      case "closed":
        // What the bay did meanwhile is unknown.
        this.#forget();
        break;
    }
  }

  #forget(): void {
    this.#told = null;
    this.#candidate = null;
  }

  #holdMs(state: number): number {
    return state === TAKEN ? this.#options.takenAfterMs : this.#options.freeAfterMs;
  }

  /** `stampMs`: when the edge was, which may be before it was seen. */
  #level(high: boolean, stampMs: number, nowMs: number, out: SessionSink): void {
    // A timer that is late must not undo a state that had held long enough.
    this.#settle(stampMs, out);
    const state = high === this.#options.takenHigh ? TAKEN : FREE;
    const wasWaiting = this.#candidate !== null;
    this.#candidate = state === this.#told ? null : { state, sinceMs: stampMs };
    if (this.#candidate === null) {
      if (wasWaiting) out.timer(HOLD, null);
      return;
    }
    const leftMs = stampMs + this.#holdMs(state) - nowMs;
    if (leftMs > 0) out.timer(HOLD, leftMs);
    else this.#settle(nowMs, out);
  }

  #holdOver(atMs: number, out: SessionSink): void {
    this.#settle(atMs, out);
    const candidate = this.#candidate;
    // A timer may come a moment too early.
    if (candidate !== null) out.timer(HOLD, candidate.sinceMs + this.#holdMs(candidate.state) - atMs);
  }

  /** Tells the candidate when it has held long enough. */
  #settle(atMs: number, out: SessionSink): void {
    const candidate = this.#candidate;
    if (candidate === null || atMs - candidate.sinceMs < this.#holdMs(candidate.state)) return;
    this.#candidate = null;
    this.#told = candidate.state;
    out.timer(HOLD, null);
    out.reading(STATE, candidate.state);
  }
}

/** A contact or the relay of a loop detector that tells whether one parking bay is taken. Needs `gpio.edge: both`. */
export default ({ z }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "parking-bay",
  summary: "One parking bay, by a contact or the relay of a loop detector, for groups of bays",
  testedWith: "constructed edges",
  port: "gpio",
  options: z.strictObject({
    takenHigh: z
      .boolean()
      .default(false)
      .describe("false: a low level is a taken bay, as with a relay to ground and a pull-up. true: a high one."),
    takenAfterMs: z
      .int()
      .min(0)
      .max(HOLD_MS_MAX)
      .default(HOLD_MS)
      .describe("A bay is taken once the line has said so for this long without a break. Milliseconds."),
    freeAfterMs: z
      .int()
      .min(0)
      .max(HOLD_MS_MAX)
      .default(HOLD_MS)
      .describe("A bay is free once the line has said so for this long without a break. Milliseconds."),
  }),
  channels: () => [{ name: STATE, quantity: "bay_state", unit: "1", range: [FREE, TAKEN], resolution: 1, sensitivity: "presence" }],
  start: (options) => new ParkingBay(options),
});
