import type { BusEvent, Driver, DriverApi, Session, SessionSink } from "../../src/driver-api/index.ts";

/** The name of the line when a driver names none (`Driver.lines`). */
const LINE = "line";
const ENERGY = "energy";
/** A thousandth of a watt-hour: finer than the pulse of any meter that is allowed, and the finest that a payload can write. */
const RESOLUTION_KWH = 0.000001;
const PULSES_PER_KWH_MIN = 1;
const PULSES_PER_KWH_MAX = 100_000;
/**
 * An S0 pulse lasts 30 to 100 ms (sensor reference §C14), and the pause after it is no shorter (IEC 62053-31 class A, from memory).
 * Two pulses therefore begin 60 ms apart at least; what comes sooner is bounce or a disturbance on the line.
 */
const PULSE_PERIOD_NS_MIN = 60_000_000n;
const SUSPECT = { quality: "suspect" } as const;

interface Options {
  readonly pulsesPerKwh: number;
  readonly activeHigh: boolean;
}

class S0Meter implements Session {
  readonly #kwhPerPulse: number;
  readonly #activeHigh: boolean;
  #lastNs: bigint | null = null;

  constructor({ pulsesPerKwh, activeHigh }: Options) {
    this.#kwhPerPulse = 1 / pulsesPerKwh;
    this.#activeHigh = activeHigh;
  }

  handle(event: BusEvent, out: SessionSink): void {
    // A household that uses nothing is no fault, and when it uses something is nobody's business: the port shows life.
    if (event.type === "opened") out.expect(null);
    else if (event.type === "edge" && event.line === LINE && event.rising === this.#activeHigh) this.#pulse(event.atNs, out);
  }

  #pulse(atNs: bigint, out: SessionSink): void {
    const sinceNs = this.#lastNs === null ? null : atNs - this.#lastNs;
    this.#lastNs = atNs;
    const isTooSoon = sinceNs !== null && sinceNs >= 0n && sinceNs < PULSE_PERIOD_NS_MIN;
    if (isTooSoon) out.reading(ENERGY, this.#kwhPerPulse, SUSPECT);
    else out.reading(ENERGY, this.#kwhPerPulse);
  }
}

/** The S0 output of a household's energy meter on a GPIO line. What it measures is identifying. */
export default ({ z }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "s0-meter",
  summary: "S0 outputs of households' energy meters, for groups of households",
  testedWith: "constructed edges",
  port: "gpio",
  options: z
    .strictObject({
      // 1000 is typical (sensor reference §C14); it is asked for all the same, since a wrong one is a wrong bill.
      pulsesPerKwh: z
        .number()
        .min(PULSES_PER_KWH_MIN)
        .max(PULSES_PER_KWH_MAX)
        .describe("What the face of the meter says, as imp/kWh: 1000 is typical."),
      activeHigh: z
        .boolean()
        .default(false)
        .describe("false: a pulse is a low level, as with the S0 output to ground and a pull-up. true: a high one."),
    })
    .meta({ examples: [{ pulsesPerKwh: 1_000 }] }),
  channels: ({ pulsesPerKwh }) => [
    {
      name: ENERGY,
      quantity: ENERGY,
      unit: "kW.h",
      range: [0, 1 / pulsesPerKwh],
      resolution: RESOLUTION_KWH,
      sensitivity: "identifying",
    },
  ],
  start: (options) => new S0Meter(options),
});
