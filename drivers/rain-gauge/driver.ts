import type { BusEvent, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

/** The name of the line when a driver names none (`Driver.lines`). */
const LINE = "line";
const RAINFALL = "rainfall";
/** SEN-15901 and SEN-08942 weather meter datasheets: 0.2794 mm of rain per tip, so tenths of a micrometre are written. */
const RESOLUTION_MM = 0.0001;
const MM_PER_TIP_MIN = 0.01;
const MM_PER_TIP_MAX = 10;
/**
 * A bucket tips a few times a second at most, and installers debounce it by 50 to 100 ms (sensor reference §C14). A closure that
 * comes sooner after the one before is a contact that bounces, or a mast that was knocked.
 */
const TIP_PAUSE_NS_MIN = 100_000_000n;
const SUSPECT = { quality: "suspect" } as const;
/** So many openings without one closure cannot come from edges that got lost: the wrong edge is watched. */
const OPENINGS_MAX = 3;

interface Options {
  readonly mmPerTip: number;
  readonly activeHigh: boolean;
}

class RainGauge implements Session {
  readonly #options: Options;
  #lastNs: bigint | null = null;
  /** Openings of the contact since the port was opened, up to the first closure: null after that. */
  #openings: number | null = 0;

  constructor(options: Options) {
    this.#options = options;
  }

  handle(event: BusEvent, out: SessionSink): void {
    if (event.type === "opened") {
      this.#openings = 0;
      // A dry month is no fault: tips say nothing about life.
      out.expect(null);
    } else if (event.type === "edge" && event.line === LINE) {
      if (event.rising === this.#options.activeHigh) this.#tip(event.atNs, out);
      else this.#opening(out);
    }
  }

  #tip(atNs: bigint, out: SessionSink): void {
    const sinceNs = this.#lastNs === null ? null : atNs - this.#lastNs;
    this.#lastNs = atNs;
    this.#openings = null;
    const isTooSoon = sinceNs !== null && sinceNs >= 0n && sinceNs < TIP_PAUSE_NS_MIN;
    if (isTooSoon) out.reading(RAINFALL, this.#options.mmPerTip, SUSPECT);
    else out.reading(RAINFALL, this.#options.mmPerTip);
  }

  #opening(out: SessionSink): void {
    if (this.#openings === null) return;
    this.#openings++;
    if (this.#openings === OPENINGS_MAX) out.fault("only-opening-edges", "never");
  }
}

/** A tipping bucket with a reed contact on a GPIO line: each closure is so many millimetres of rain. */
export default ({ z }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "rain-gauge",
  summary: "Tipping bucket rain gauges with a reed contact: SEN-15901, SEN-08942, Campbell TE525",
  testedWith: "constructed edges",
  port: "gpio",
  options: z
    .strictObject({
      mmPerTip: z
        .number()
        .min(MM_PER_TIP_MIN)
        .max(MM_PER_TIP_MAX)
        .describe("Rain of one tip, in mm, as the datasheet of the gauge or its last calibration says."),
      activeHigh: z
        .boolean()
        .default(false)
        .describe("false: the closed contact gives a low level, as with a reed contact to ground and a pull-up. true: a high one."),
    })
    // SEN-15901 and SEN-08942 weather meter datasheets: 0.2794 mm of rain per tip of the bucket.
    .meta({ examples: [{ mmPerTip: 0.2794 }] }),
  channels: ({ mmPerTip }) => [
    {
      name: RAINFALL,
      quantity: RAINFALL,
      unit: "mm",
      range: [0, mmPerTip],
      resolution: RESOLUTION_MM,
      sensitivity: "environmental",
    },
  ],
  start: (options) => new RainGauge(options),
});
