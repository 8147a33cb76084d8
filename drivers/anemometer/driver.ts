import type { BusEvent, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

/** The name of the line when a driver names none (`Driver.lines`). */
const LINE = "line";
const WIND_SPEED = "wind_speed";
const INTERVAL = "interval";
const MS_PER_S = 1_000;
/** SEN-15901 weather meter datasheet: 2.4 km/h at one closure a second, which is 0.6667 m/s. */
const METRES_PER_PULSE = 0.6667;
const METRES_PER_PULSE_MIN = 0.001;
const METRES_PER_PULSE_MAX = 100;
const OFFSET_MPS_MAX = 5;
/** A gust is a mean over 3 s in the WMO guide (WMO-No. 8, vol. I, ch. 5); so the highest value of a window is one. */
const INTERVAL_MS = 3_000;
const INTERVAL_MS_MIN = 1_000;
const INTERVAL_MS_MAX = 60_000;
/** The range of wind speed in the WMO guide (WMO-No. 8, vol. I, annex 1.A). A SEN-15901 has 60 closures a second at 40 m/s. */
const WIND_MPS_MAX = 75;
/** Two decimals of a metre per second are written: finer than a pulse of any interval that is allowed with the default factor. */
const DECIMALS = 2;
/** An interval that was told so much too late may have lost edges: the node was asleep or overwhelmed. */
const LATE_SHARE_MAX = 1.5;
const SUSPECT = { quality: "suspect" } as const;
/** So many openings without one closure cannot come from edges that got lost: the wrong edge is watched. */
const OPENINGS_MAX = 3;

interface Options {
  readonly metresPerPulse: number;
  readonly offset: number;
  readonly intervalMs: number;
  readonly activeHigh: boolean;
}

class Anemometer implements Session {
  readonly #options: Options;
  #startMs: number | null = null;
  #pulses = 0;
  /** Openings of the contact since the port was opened, up to the first closure: null after that. */
  #openings: number | null = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  handle(event: BusEvent, out: SessionSink): void {
    if (event.type === "opened") this.#opened(event.atMs, out);
    else if (event.type === "timer" && event.name === INTERVAL) this.#intervalOver(event.atMs, out);
    // Part of an interval is no reading.
    else if (event.type === "closed") this.#startMs = null;
    else if (event.type === "edge" && event.line === LINE) {
      if (event.rising === this.#options.activeHigh) this.#closure();
      else this.#opening(out);
    }
  }

  #opened(atMs: number, out: SessionSink): void {
    this.#openings = 0;
    // The values come from a timer of ours, so they say nothing about the life of the sensor: the port does.
    out.expect(null);
    this.#begin(atMs, out);
  }

  #begin(atMs: number, out: SessionSink): void {
    this.#startMs = atMs;
    this.#pulses = 0;
    out.timer(INTERVAL, this.#options.intervalMs);
  }

  #closure(): void {
    this.#openings = null;
    this.#pulses++;
  }

  #opening(out: SessionSink): void {
    if (this.#openings === null) return;
    this.#openings++;
    if (this.#openings === OPENINGS_MAX) out.fault("only-opening-edges", "never");
  }

  #intervalOver(atMs: number, out: SessionSink): void {
    if (this.#startMs === null) return;
    const { metresPerPulse, offset, intervalMs } = this.#options;
    const lastedMs = atMs - this.#startMs;
    if (lastedMs > 0) {
      // The offset is the wind at which the cups begin to turn: cups that stand still have none.
      const mps = this.#pulses === 0 ? 0 : (this.#pulses * metresPerPulse * MS_PER_S) / lastedMs + offset;
      const value = Number(mps.toFixed(DECIMALS));
      if (lastedMs > intervalMs * LATE_SHARE_MAX) out.reading(WIND_SPEED, value, SUSPECT);
      else out.reading(WIND_SPEED, value);
    }
    this.#begin(atMs, out);
  }
}

function optionsOf(z: DriverApi["z"]) {
  return z.strictObject({
    metresPerPulse: z
      .number()
      .min(METRES_PER_PULSE_MIN)
      .max(METRES_PER_PULSE_MAX)
      .default(METRES_PER_PULSE)
      .describe("Wind speed at one pulse a second, in m/s: metres of wind per pulse. The default is the 2.4 km/h of the SEN-15901."),
    offset: z
      .number()
      .min(0)
      .max(OFFSET_MPS_MAX)
      .default(0)
      .describe("Added to the speed while the cups turn, in m/s: the b of a datasheet that gives v = a f + b."),
    intervalMs: z
      .int()
      .min(INTERVAL_MS_MIN)
      .max(INTERVAL_MS_MAX)
      .default(INTERVAL_MS)
      .describe("Pulses are counted over this long for each reading. Milliseconds."),
    activeHigh: z
      .boolean()
      .default(false)
      .describe("false: a pulse is a low level, as with a reed contact to ground and a pull-up. true: a high one."),
  });
}

/** A cup anemometer with a pulse output on a GPIO line: pulses a second are wind speed. */
export default ({ z }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "anemometer",
  summary: "Cup anemometers with a pulse output: SEN-15901 and others by factor and offset",
  testedWith: "constructed edges",
  port: "gpio",
  options: optionsOf(z),
  channels: ({ metresPerPulse, intervalMs }) => [
    {
      name: WIND_SPEED,
      quantity: WIND_SPEED,
      unit: "m/s",
      range: [0, WIND_MPS_MAX],
      // One pulse more or less in an interval.
      resolution: Math.max(10 ** -DECIMALS, Number(((metresPerPulse * MS_PER_S) / intervalMs).toFixed(DECIMALS))),
      sensitivity: "environmental",
    },
  ],
  start: (options) => new Anemometer(options),
});
