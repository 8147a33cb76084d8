import type { Driver, DriverApi } from "../../src/driver-api/index.ts";

/** SDI-12 V1.4 §4.4.6, §4.4.9: how many values a measurement can have: one digit after aM!, two after aC!. */
const VALUES_MAX = 99;
const CHANNEL_NAME = /^[a-z0-9][a-z0-9_-]{0,31}$/;
const CHANNELS_MAX = 64;
/** Kinds of quantity that one value can carry. */
const KINDS: readonly string[] = ["gauge", "level", "direction", "counter"];

/** Where a channel comes from. */
export interface ChannelOptions {
  readonly address: string;
  readonly measurement: string;
  readonly value: number;
  readonly quantity: string;
  readonly unit?: string | undefined;
  readonly scale: number;
  readonly offset: number;
  readonly range: readonly [number, number];
  readonly resolution: number;
  readonly counts?: "increments" | "total" | undefined;
}

export interface Options {
  readonly line: "direct" | "adapter";
  readonly checksum: boolean;
  readonly everySeconds: number;
  readonly channels: Readonly<Record<string, ChannelOptions>>;
}

const EXAMPLE = {
  channels: {
    soil_moisture: { address: "0", value: 1, quantity: "soil_moisture", range: [0, 100], resolution: 0.1 },
    soil_temperature: { address: "0", value: 2, quantity: "temperature", range: [-40, 60], resolution: 0.1 },
    level: { address: "1", measurement: "C", value: 1, quantity: "water_level", scale: 0.001, range: [0, 10] },
  },
};

function channelOptions({ z, findQuantity }: DriverApi) {
  return z
    .strictObject({
      address: z
        .string()
        .regex(/^[0-9A-Za-z]$/, "must be one letter or digit")
        .describe("Address of the sensor on the line: one letter or digit."),
      measurement: z
        .string()
        .regex(/^[MC][1-9]?$/, "must be M, M1 to M9, C, or C1 to C9")
        .default("M")
        .describe("Which of its measurements: M, M1 to M9, or C, C1 to C9 (concurrent). Its manual says what each gives."),
      value: z.int().min(1).max(VALUES_MAX).describe("Which value of the answer, from 1."),
      quantity: z.string().min(1).describe("What it measures, from the vocabulary. It decides the unit and the sensitivity."),
      unit: z.string().optional().describe("UCUM unit of the scaled value. Needed only when the vocabulary lacks the quantity."),
      scale: z.number().default(1).describe("Factor from the value of the sensor to the unit of the quantity."),
      offset: z.number().default(0).describe("What is added after that."),
      range: z
        .tuple([z.number(), z.number()])
        .default([-1e6, 1e6])
        .describe("Lowest and highest value it can report, in the unit of the quantity. What means an error, such as -9999, lies outside."),
      resolution: z.number().positive().default(0.01).describe("Smallest step of the scaled value; summaries are rounded to it."),
      counts: z.enum(["increments", "total"]).optional().describe("For counters: what is new since the last answer, or a running total."),
    })
    .superRefine(({ quantity, unit, range, counts }, context) => {
      const complain = (path: string, message: string): void => context.addIssue({ code: "custom", path: [path], message });
      const known = findQuantity(quantity);
      if (known === null && unit === undefined) complain("unit", `is needed: "${quantity}" is not in the vocabulary`);
      if (known !== null && unit !== undefined && unit !== known.unit)
        complain("unit", `${quantity} is in ${known.unit}; use scale to convert`);
      if (known !== null && !KINDS.includes(known.kind)) complain("quantity", `${quantity} is not one value of a sensor`);
      if ((known?.kind === "counter") !== (counts !== undefined)) complain("counts", "belongs to counters, and counters need it");
      if (range[0] >= range[1]) complain("range", "must be [lowest, highest]");
    });
}

/** What the operator says of a line. */
export function optionsOf(api: DriverApi): Driver<Options>["options"] {
  const { z } = api;
  return z
    .strictObject({
      line: z
        .enum(["direct", "adapter"])
        .default("direct")
        .describe(
          "direct: a converter that passes bytes, at 1200 baud with 7 bits and even parity; the driver makes the break. adapter: one " +
            "that makes the break itself and takes commands as text, at its own baud rate.",
        ),
      checksum: z
        .boolean()
        .default(true)
        .describe("Asks for values with a checksum (aMC!, aCC!). false: for sensors of SDI-12 1.2 and before, which do not know it."),
      everySeconds: z
        .int()
        .min(5)
        .max(EVERY_SECONDS_MAX)
        .default(60)
        .describe("How often all sensors of the line are asked, one after the other. A round that takes longer leaves the next one out."),
      channels: z
        .record(z.string().regex(CHANNEL_NAME), channelOptions(api))
        .refine(
          (channels) => Object.keys(channels).length > 0 && Object.keys(channels).length <= CHANNELS_MAX,
          `must hold 1 to ${CHANNELS_MAX} channels`,
        )
        .describe("The channels, each with the sensor, the measurement and the value that it is read from."),
    })
    .meta({ examples: [EXAMPLE] });
}
