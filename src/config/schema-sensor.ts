import { z } from "zod";
import { MINIMUM_COUNT_FLOOR } from "../core/anonymise/policy.ts";
import { SENSITIVITIES } from "../core/reading/quantity.ts";
import { EPSILON_PER_EVENT_MAX } from "../core/units/epsilon.ts";
import { DAY_MS, HOUR_MS } from "../core/units/time.ts";
import { busShape, checkUnit } from "./schema-bus.ts";
import { fileSchema, gpioSchema, replaySchema, serialSchema } from "./schema-port.ts";
import { day, decimal, driverName, duration, id, integer, number, text } from "./values.ts";

/** Most streams of one sensor. */
const STREAMS_MAX = 1_000;

export const locationSchema = z.strictObject({
  latitude: number(-90, 90, "degrees north, WGS 84").meta({ description: "Latitude.", examples: [52.361] }),
  longitude: number(-180, 180, "degrees east, WGS 84").meta({ description: "Longitude.", examples: [4.873] }),
  height: number(-500, 9_000, "metres above the ground")
    .optional()
    .meta({ description: "Height of the sensor.", examples: [4.5] }),
});

const azimuth = () => number(0, 360, "degrees clockwise from north");

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
    window: duration("10s", "1d")
      .optional()
      .meta({
        description:
          "Length of the stream's windows. Divides a day, at most 1h; for streams of people at least 5m. Absent: the file's window:. " +
          "With from: 1h or 1d.",
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
    from: id()
      .optional()
      .meta({
        description:
          "In place of a channel: another stream of this sensor, of whose released windows longer ones are made. That costs no budget. " +
          "Policy and everything else are that stream's.",
        examples: ["passages"],
      }),
    days: z
      .enum(["utc", "local"])
      .optional()
      .meta({
        title: "choice",
        description: "With from: and a window of 1d: whether days begin at midnight UTC, or at that of node.timeZone. Default utc.",
        examples: ["local"],
      }),
  })
  .superRefine((stream, context) => {
    if (stream.k !== undefined && stream.policy !== "minimum-count") {
      context.addIssue({ code: "custom", path: ["k"], message: "goes with policy: minimum-count only" });
    }
    checkDerived(stream, context);
    for (const key of ["epsilon", "bound"] as const) {
      if (stream[key] === undefined || stream.policy === "noised" || stream.from !== undefined) continue;
      context.addIssue({ code: "custom", path: [key], message: "goes with policy: noised only" });
    }
    if (stream.because !== undefined && stream.sensitivity !== "environmental") {
      context.addIssue({ code: "custom", path: ["because"], message: "goes with sensitivity: environmental only" });
    }
  });

const MEMBER_PATTERN = /^[a-z0-9*][a-z0-9_*-]{0,31}\.[a-z0-9*][a-z0-9_*-]{0,31}$/;

/** One entry of `groups`. */
export const groupSchema = z.strictObject({
  members: z
    .array(z.string().regex(MEMBER_PATTERN, "must be SENSOR.STREAM, with * for any part of a name: bay-*.state"))
    .min(1, "must name at least one stream")
    .max(STREAMS_MAX)
    .meta({
      title: "list",
      description:
        "The streams that are published together, each withheld by itself: 20 parking bays at least (bay_state), or 15 households " +
        "(energy, power, gas, water_use).",
      examples: [["bay-*.state"]],
    }),
  policy: z.enum(["minimum-count", "withheld"]).meta({
    title: "choice",
    description:
      "minimum-count: what all of them did together, and nothing when one stands out (a household with more than 15 % of the sum).",
    examples: ["minimum-count"],
  }),
  stream: id()
    .optional()
    .meta({
      description: "What it is called, the topic level. Absent: occupancy for bays, the quantity for households.",
      examples: ["occupancy"],
    }),
});

/** Keys that a stream made from: another has of its own. */
const DERIVED_KEYS = ["from", "window", "days"];

/** A stream that is made from: another takes everything but its windows from it; others have windows of an hour at most. */
function checkDerived(stream: Readonly<Record<string, unknown>>, context: z.core.$RefinementCtx): void {
  const complain = (key: string, message: string): void => context.addIssue({ code: "custom", path: [key], message });
  if (stream.from === undefined) {
    if (stream.days !== undefined) complain("days", "goes with from: only");
    if (typeof stream.window === "number" && stream.window > HOUR_MS) {
      complain("window", "must be from 10s to 1h: longer windows are made from: another stream");
    }
    return;
  }
  for (const key of Object.keys(stream)) {
    if (stream[key] === undefined || DERIVED_KEYS.includes(key)) continue;
    complain(key, `cannot stand beside from: the stream takes it from ${String(stream.from)}`);
  }
  if (stream.days !== undefined && stream.window !== DAY_MS) complain("days", "goes with window: 1d only");
}

const directionSchema = z.strictObject({
  label: text().meta({ description: "What people call that way.", examples: ["centrum"] }),
  azimuth: azimuth()
    .optional()
    .meta({ description: "Compass bearing of that way.", examples: [170] }),
});

const PORT_KEYS = ["serial", "gpio", "file", "bus", "replay"] as const;

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
    file: fileSchema
      .optional()
      .meta({ description: "It is shown by the kernel as files.", examples: [{ path: "/sys/bus/w1/devices/28-000005e2fdc3" }] }),
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
    consent: z
      .strictObject({
        reference: text().meta({ description: "Where it is kept.", examples: ["toestemming 2026-0117"] }),
      })
      .optional()
      .meta({
        description: "For a meter of one household: that its people consented to be in a group. Its readings are personal data, and stay.",
        examples: [{ reference: "toestemming 2026-0117" }],
      }),
    account: id()
      .optional()
      .meta({
        description:
          "Whose privacy budget its streams spend. Sensors with different accounts are declared to see different people: " +
          "reports print that you say so. Absent: node, everybody who passes the node.",
        examples: ["cycle-path"],
      }),
    ...busShape,
  })
  .superRefine((sensor, context) => {
    const [first, ...more] = PORT_KEYS.filter((key) => sensor[key] !== undefined);
    for (const key of more)
      context.addIssue({ code: "custom", path: [key], message: `cannot stand beside ${first}: a sensor has one port` });
    checkUnit(sensor, context);
  });
