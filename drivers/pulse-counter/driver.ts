import type { Driver, DriverApi } from "../../src/driver-api/index.ts";

/** The name of the line when a driver names none (`Driver.lines`). */
const LINE = "line";
const PER_PULSE_DECIMALS_MAX = 9;
const PER_PULSE_MIN = 1e-9;

interface Options {
  readonly quantity: string;
  readonly perPulse: number;
}

/** The last decimal of a number as it was written: 0.2794 is exact to 0.0001. */
function stepOf(value: number): number {
  const decimals =
    value
      .toFixed(PER_PULSE_DECIMALS_MAX)
      .replace(/\.?0+$/, "")
      .split(".")[1]?.length ?? 0;
  return Number(`1e-${decimals}`);
}

// SEN-15901 and SEN-08942 weather meter datasheet: 0.2794 mm of rain per tip of the bucket.
const EXAMPLE = { quantity: "rainfall", perPulse: 0.2794 };

/** A pulse output on a GPIO line: tipping buckets, S0 outputs of energy meters, water meters. */
export default ({ z, findQuantity }: DriverApi): Driver<Options> => ({
  apiVersion: 1,
  name: "pulse-counter",
  summary: "Pulses on a GPIO line, each worth a fixed amount: rain gauges, energy meters",
  testedWith: "constructed edges",
  port: "gpio",
  options: z
    .strictObject({
      quantity: z
        .string()
        .refine((name) => findQuantity(name)?.kind === "counter", "must be a counter of the vocabulary, such as rainfall")
        .describe("What a pulse counts, from the vocabulary; also the name of the channel."),
      perPulse: z
        .number()
        .min(PER_PULSE_MIN)
        .describe("What one pulse is worth, in the unit of the quantity: 0.2794 mm of rain, 0.001 kWh."),
    })
    .meta({ examples: [EXAMPLE] }),
  channels: ({ quantity, perPulse }) => [
    {
      name: quantity,
      quantity,
      unit: findQuantity(quantity)?.unit ?? "1",
      range: [0, perPulse],
      resolution: stepOf(perPulse),
      sensitivity: findQuantity(quantity)?.floor ?? "presence",
    },
  ],
  // Every edge is one reading of `perPulse`, not a running total: each pulse keeps its own time and so falls into the right
  // window, and a restart has no first total to lose. Sums stay exact after rounding to the resolution, which is the last
  // decimal of `perPulse`. Which edges arrive, and how bounce is filtered, is the port's business (`gpio.edge`, `gpio.debounce`).
  start: ({ quantity, perPulse }) => ({
    handle: (event, out) => {
      if (event.type === "edge" && event.line === LINE) out.reading(quantity, perPulse);
      else if (event.type === "opened") out.expect(null);
    },
  }),
});
