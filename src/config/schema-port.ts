import { z } from "zod";
import { duration, id, number, oneOfNumbers, path, text } from "./values.ts";

/** Rates that serial adapters and UARTs share. A rate in between is nearly always a slip of the finger. */
export const BAUD_RATES = [300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600] as const;

export const serialSchema = z.strictObject({
  path: path().meta({
    description: "The device by a name that stays the same over reboots: /dev/serial/by-id/… or /dev/serial/by-path/…",
    examples: ["/dev/serial/by-id/usb-OmniPreSense_OPS243-A_0123-if00"],
  }),
  baud: oneOfNumbers(BAUD_RATES)
    .optional()
    .meta({
      title: "baud rate",
      description: "Bits per second, one of the usual rates from 300 to 921600. Absent: what the driver says.",
      examples: [9_600],
    }),
});

const lineShape = {
  chip: text()
    .optional()
    .meta({ description: "Label of the GPIO chip; then line: is a number.", examples: ["pinctrl-bcm2711"] }),
  edge: z.enum(["rising", "falling", "both"]).meta({ title: "choice", description: "Which edges are watched.", examples: ["falling"] }),
  pull: z
    .enum(["up", "down", "none"])
    .default("none")
    .meta({ title: "choice", description: "The resistor inside the chip.", examples: ["up"] }),
  debounce: duration("0ms", "10s")
    .prefault("0ms")
    .meta({ description: "Edges closer than this to the one before are bounce: counted, not reported.", examples: ["50ms"] }),
};
const lineName = z
  .union([z.string().min(1), z.int().min(0).max(1_023)], {
    error: () => "must be the name of a line such as GPIO17, or its number with chip:",
  })
  .meta({ title: "text or number", description: "The line by its name, or by its number on chip:.", examples: ["GPIO17"] });

interface LineInput {
  line?: string | number | undefined;
  chip?: string | undefined;
}

/** A name stands alone, a number needs its chip. */
function checkLine({ line, chip }: LineInput, context: z.core.$RefinementCtx): void {
  if (typeof line === "number" && chip === undefined) {
    context.addIssue({
      code: "custom",
      path: ["line"],
      message: `is a number, which needs chip:; or write the name of the line, such as GPIO${line}`,
    });
  }
  if (typeof line === "string" && chip !== undefined) {
    context.addIssue({ code: "custom", path: ["chip"], message: "goes with the number of a line; a line by name needs no chip:" });
  }
}

const namedLineSchema = z.strictObject({ line: lineName, ...lineShape }).superRefine(checkLine);

export const gpioSchema = z
  .strictObject({
    line: lineName.optional(),
    ...lineShape,
    edge: lineShape.edge.optional(),
    lines: z
      .record(id(), namedLineSchema)
      .optional()
      .meta({
        description: "In place of line:, for a driver with several lines: each by the driver's name for it.",
        examples: [{ a: { line: "GPIO17", edge: "both" } }],
      }),
  })
  .superRefine((gpio, context) => {
    const complain = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    if (gpio.lines === undefined) {
      if (gpio.line === undefined) complain(["line"], "is missing: must be the name of a line such as GPIO17");
      if (gpio.edge === undefined) complain(["edge"], "is missing: must be rising, falling or both");
      checkLine(gpio, context);
      return;
    }
    if (gpio.line !== undefined) complain(["line"], "cannot stand beside lines:");
    if (gpio.chip !== undefined) complain(["chip"], "cannot stand beside lines: write it with each line");
    if (gpio.edge !== undefined) complain(["edge"], "cannot stand beside lines: write it with each line");
  });

export const fileSchema = z.strictObject({
  path: path().meta({
    description: "The folder in which the kernel shows the device: for 1-Wire, the one of its number.",
    examples: ["/sys/bus/w1/devices/28-000005e2fdc3"],
  }),
});

export const replaySchema = z.strictObject({
  file: path().meta({ description: "A capture or golden file.", examples: ["captures/air-1.txt"] }),
  speed: number(0.1, 10_000, "times as fast")
    .default(1)
    .meta({ description: "1 is as it happened.", examples: [1] }),
  repeat: z
    .boolean()
    .default(false)
    .meta({ description: "Starts again at the end.", examples: [true] }),
});
