import type { BusEvent, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

/** The name of the line when a driver names none (`Driver.lines`). */
const LINE = "line";
const PRESENCE = "presence";
/** Indices into the states of the quantity: absent, present. */
const ABSENT = 0;
const PRESENT = 1;
const WARM_UP = "warm-up";
/** HC-SR501 datasheet, from memory: for about a minute after power-on the output goes high by itself, up to three times. */
const WARM_UP_MS = 60_000;
const WARM_UP_MS_MAX = 600_000;
const WARMING = { quality: "warming" } as const;
/** Said in so many words: after a port was opened again the sensor is warm still. */
const WARM = { quality: "ok" } as const;

interface Options {
  readonly activeHigh: boolean;
  readonly warmUpMs: number;
}

class Pir implements Session {
  readonly #options: Options;
  /** When the warm-up is over; null before the port was opened for the first time. */
  #warmAtMs: number | null = null;
  /** The level of the line, null while it is unknown. */
  #high: boolean | null = null;

  constructor(options: Options) {
    this.#options = options;
  }

  handle(event: BusEvent, out: SessionSink): void {
    if (event.type === "opened") {
      // Whether anybody comes by says nothing about the sensor: the port shows life.
      out.expect(null);
      this.#opened(event.atMs, event.settings.lines?.[LINE]?.high ?? null, out);
    } else if (event.type === "edge" && event.line === LINE) {
      this.#high = event.rising;
      this.#tell(event.atMs, out);
    } else if (event.type === "timer" && event.name === WARM_UP) this.#warmUpOver(event.atMs, out);
    else if (event.type === "closed") this.#high = null;
  }

  #opened(atMs: number, high: boolean | null, out: SessionSink): void {
    // The sensor is powered with the node; a port that is opened again later finds it warm.
    this.#warmAtMs ??= atMs + this.#options.warmUpMs;
    this.#high = high;
    const leftMs = this.#warmAtMs - atMs;
    // A state that was told as warming does not count, so it is told again when the warm-up is over.
    if (leftMs > 0) out.timer(WARM_UP, leftMs);
    this.#tell(atMs, out);
  }

  #warmUpOver(atMs: number, out: SessionSink): void {
    const leftMs = (this.#warmAtMs ?? atMs) - atMs;
    // A timer may come a moment too early.
    if (leftMs > 0) out.timer(WARM_UP, leftMs);
    else this.#tell(atMs, out);
  }

  #tell(atMs: number, out: SessionSink): void {
    if (this.#high === null) return;
    const state = this.#high === this.#options.activeHigh ? PRESENT : ABSENT;
    if (this.#warmAtMs !== null && atMs < this.#warmAtMs) out.reading(PRESENCE, state, WARMING);
    else out.reading(PRESENCE, state, WARM);
  }
}

/** A passive infrared motion sensor on a GPIO line: whether anybody is there, never how many. Needs `gpio.edge: both`. */
export default ({ z }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "pir",
  summary: "Passive infrared motion sensors such as the HC-SR501: whether anybody is there",
  testedWith: "constructed edges",
  port: "gpio",
  options: z.strictObject({
    activeHigh: z
      .boolean()
      .default(true)
      .describe("true: a high level is motion, as with the HC-SR501. false: a low one, or an alarm relay."),
    warmUpMs: z
      .int()
      .min(0)
      .max(WARM_UP_MS_MAX)
      .default(WARM_UP_MS)
      .describe(
        "States in this time after the first opening of the port are told as warming. Milliseconds; 0: the sensor is always powered.",
      ),
  }),
  channels: ({ warmUpMs }) => [
    { name: PRESENCE, quantity: PRESENCE, unit: "1", range: [ABSENT, PRESENT], resolution: 1, sensitivity: "presence", warmUpMs },
  ],
  start: (options) => new Pir(options),
});
