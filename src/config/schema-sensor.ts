import { z } from "zod";
import { MINIMUM_COUNT_FLOOR } from "../core/anonymise/policy.ts";
import { SENSITIVITIES } from "../core/reading/quantity.ts";
import { EPSILON_PER_EVENT_MAX } from "../core/units/epsilon.ts";
import { day, decimal, driverName, duration, id, integer, notYet, number, oneOfNumbers, path, text } from "./values.ts";

/** Most streams of one sensor. */
const STREAMS_MAX = 1_000;
/** Rates that serial adapters and UARTs share. A rate in between is nearly always a slip of the finger. */
const BAUD_RATES = [300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600] as const;

export const locationSchema = z.strictObject({
  latitude: number(-90, 90, "degrees north, WGS 84").meta({ description: "Latitude.", examples: [52.361] }),
  longitude: number(-180, 180, "degrees east, WGS 84").meta({ description: "Longitude.", examples: [4.873] }),
  height: number(-500, 9_000, "metres above the ground")
    .optional()
    .meta({ description: "Height of the sensor.", examples: [4.5] }),
});

const azimuth = () => number(0, 360, "degrees clockwise from north");

const serialSchema = z.strictObject({
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

const gpioSchema = z
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

const replaySchema = z.strictObject({
  file: path().meta({ description: "A capture or golden file.", examples: ["captures/air-1.txt"] }),
  speed: number(0.1, 10_000, "times as fast")
    .default(1)
    .meta({ description: "1 is as it happened.", examples: [1] }),
  repeat: z
    .boolean()
    .default(false)
    .meta({ description: "Starts again at the end.", examples: [true] }),
});

const calibrationShape = {
  scale: number(-1_000_000, 1_000_000, "")
    .optional()
    .meta({ description: "Readings are multiplied by this first. Default 1.", examples: [1.08] }),
  offset: number(-1_000_000, 1_000_000, "in the channel's unit")
    .optional()
    .meta({ description: "Then this is added. Default 0.", examples: [-0.4] }),
  date: day()
    .optional()
    .meta({ description: "Day of the calibration.", examples: ["2026-03-01"] }),
  validUntil: day()
    .optional()
    .meta({ description: "After this day summaries carry the flag calibration-overdue.", examples: ["2027-03-01"] }),
  by: text()
    .optional()
    .meta({ description: "Who calibrated.", examples: ["Meetdienst Voorbeeld"] }),
};

function checkDays(days: { date?: string | undefined; validUntil?: string | undefined }, context: z.core.$RefinementCtx): void {
  if (days.date !== undefined && days.validUntil !== undefined && days.validUntil < days.date) {
    context.addIssue({ code: "custom", path: ["validUntil"], message: `must not be before date: (${days.date})` });
  }
}

const calibrationSchema = z
  .strictObject({
    ...calibrationShape,
    channels: z
      .record(id(), z.strictObject(calibrationShape).superRefine(checkDays))
      .optional()
      .meta({
        description: "For a driver with several channels: scale and offset by channel; the days above apply to all.",
        examples: [{ pm25: { scale: 1.08 } }],
      }),
  })
  .superRefine(checkDays);

const streamSchema = z
  .strictObject({
    channel: id()
      .optional()
      .meta({ description: "The driver's channel. Absent: the channel with the name of the stream.", examples: ["pm25"] }),
    window: duration("10s", "1h")
      .optional()
      .meta({
        description: "Length of the stream's windows. Divides a day; for streams of people at least 5m. Absent: the file's window:.",
        examples: ["5m"],
      }),
    policy: z
      .enum(["open", "noised", "minimum-count", "withheld"])
      .optional()
      .meta({
        title: "choice",
        description: "How the stream may leave. Absent: open for environmental channels, withheld for all others.",
        examples: ["noised"],
      }),
    epsilon: decimal(EPSILON_PER_EVENT_MAX)
      .optional()
      .meta({
        description:
          "With noised: what a release of this stream may tell about one event of one person. Smaller is more noise. " +
          "Absent: what privacy.epsilonPerEvent has left, when no other stream of the account leaves it open.",
        examples: [0.5],
      }),
    bound: number(0.000001, 1_000_000, "in the channel's unit")
      .optional()
      .meta({
        description: "With noised, of a counter: the most that one reading may add. Larger ones are cut down to it.",
        examples: [1],
      }),
    k: integer(MINIMUM_COUNT_FLOOR, 10_000)
      .optional()
      .meta({ description: "With minimum-count: cells with fewer detections are withheld. Default 10.", examples: [10] }),
    lateness: duration("0s", "1h")
      .optional()
      .meta({
        description:
          "How long after its end a window waits for late readings. Default 30s; for windows under 1m a tenth of them, at least 1s.",
        examples: ["30s"],
      }),
    sensitivity: z
      .enum(SENSITIVITIES)
      .optional()
      .meta({
        title: "choice",
        description: "Makes the channel stricter than driver and quantity do. Never looser.",
        examples: ["presence"],
      }),
    because: text()
      .optional()
      .meta({
        description: "Why a quantity outside the vocabulary is environmental. Only with sensitivity: environmental; reports print it.",
        examples: ["Counts litres of a public fountain"],
      }),
    from: notYet("streams made from the released summaries of another"),
    days: notYet("windows of a local day, together with from:"),
  })
  .superRefine((stream, context) => {
    if (stream.k !== undefined && stream.policy !== "minimum-count") {
      context.addIssue({ code: "custom", path: ["k"], message: "goes with policy: minimum-count only" });
    }
    for (const key of ["epsilon", "bound"] as const) {
      if (stream[key] === undefined || stream.policy === "noised") continue;
      context.addIssue({ code: "custom", path: [key], message: "goes with policy: noised only" });
    }
    if (stream.because !== undefined && stream.sensitivity !== "environmental") {
      context.addIssue({ code: "custom", path: ["because"], message: "goes with sensitivity: environmental only" });
    }
  });

const directionSchema = z.strictObject({
  label: text().meta({ description: "What people call that way.", examples: ["centrum"] }),
  azimuth: azimuth()
    .optional()
    .meta({ description: "Compass bearing of that way.", examples: [170] }),
});

const PORT_KEYS = ["serial", "gpio", "replay"] as const;

/** One entry of `sensors`. */
export const sensorSchema = z
  .strictObject({
    driver: driverName().meta({ description: "Which driver speaks with it; `stoep drivers` lists them.", examples: ["sds011"] }),
    enabled: z
      .boolean()
      .default(true)
      .meta({ description: "false: checked, but not started.", examples: [true] }),
    serial: serialSchema
      .optional()
      .meta({ description: "It is on a serial port.", examples: [{ path: "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0" }] }),
    gpio: gpioSchema.optional().meta({
      description: "It is on one or more GPIO lines.",
      examples: [{ line: "GPIO17", edge: "falling", pull: "up", debounce: "50ms" }],
    }),
    replay: replaySchema.optional().meta({
      description: "In place of its port: a capture played back. Its summaries carry the flag simulated.",
      examples: [{ file: "captures/air-1.txt" }],
    }),
    options: z
      .record(z.string(), z.unknown())
      .prefault({})
      .meta({
        title: "map",
        description: "What the driver asks for; `stoep drivers NAME` explains it.",
        examples: [{ quantity: "rainfall", perPulse: 0.2794 }],
      }),
    instrument: text()
      .optional()
      .meta({ description: "Make, model and serial number, for the meta.", examples: ["Nova SDS011 #A160"] }),
    location: locationSchema
      .optional()
      .meta({ description: "Where it stands, when not at the node.", examples: [{ latitude: 52.361, longitude: 4.873 }] }),
    azimuth: azimuth()
      .optional()
      .meta({ description: "Compass bearing that it looks to.", examples: [170] }),
    directions: z
      .strictObject({
        towards: directionSchema.optional().meta({ description: "Towards the sensor.", examples: [{ label: "centrum" }] }),
        away: directionSchema.optional().meta({ description: "Away from the sensor.", examples: [{ label: "west" }] }),
      })
      .prefault({})
      .meta({
        description: "What the two ways past the sensor are called.",
        examples: [{ towards: { label: "centrum" }, away: { label: "west" } }],
      }),
    calibration: calibrationSchema.optional().meta({
      description: "How readings are corrected. Scale and offset here are for a driver with one channel.",
      examples: [{ scale: 1.08, offset: -0.4 }],
    }),
    onStartFailure: z
      .enum(["retry", "skip", "fail"])
      .default("retry")
      .meta({
        title: "choice",
        description: "When its port does not open: retry with growing pauses, skip it until the next start, or fail: stop the node.",
        examples: ["retry"],
      }),
    streams: z
      .record(id(), streamSchema)
      .refine((streams) => Object.keys(streams).length <= STREAMS_MAX, `must be at most ${STREAMS_MAX} streams`)
      .optional()
      .meta({
        description: "What is made of it, by the operator's name. Absent: every environmental channel of the driver. Present: only these.",
        examples: [{ passages: { policy: "minimum-count" } }],
      }),
    account: id()
      .optional()
      .meta({
        description:
          "Whose privacy budget its streams spend. Sensors with different accounts are declared to see different people: " +
          "reports print that you say so. Absent: node, everybody who passes the node.",
        examples: ["cycle-path"],
      }),
    bus: notYet("sensors on a shared bus"),
    unit: notYet("the address on a shared bus"),
  })
  .superRefine((sensor, context) => {
    const [first, ...more] = PORT_KEYS.filter((key) => sensor[key] !== undefined);
    for (const key of more)
      context.addIssue({ code: "custom", path: [key], message: `cannot stand beside ${first}: a sensor has one port` });
  });
