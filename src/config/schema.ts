import { z } from "zod";
import { EPSILON_PER_EVENT_MAX } from "../core/units/epsilon.ts";
import { brokerSchema, driverPathSchema, logSchema, metricsSchema, ownerSchema } from "./schema-broker.ts";
import { busesSchema } from "./schema-bus.ts";
import { groupSchema, locationSchema, sensorSchema } from "./schema-sensor.ts";
import { didYouMean } from "./suggest.ts";
import { decimal, duration, id, path, size, text } from "./values.ts";
import { mustBe, shown } from "./wording.ts";

/** Most sensors of one node. */
const SENSORS_MAX = 1_000;
/** Values whose source text counts: `0.1` must not pass through a float. */
export const DECIMAL_PATHS: readonly (readonly string[])[] = [
  ["privacy", "epsilonPerEvent"],
  ["sensors", "*", "streams", "*", "epsilon"],
];

const timeZone = z
  .string()
  .refine(isTimeZone, {
    error: ({ input }) => {
      const guess = typeof input === "string" ? didYouMean(input, Intl.supportedValuesOf("timeZone")) : "";
      return `must be a time zone of the IANA database such as Europe/Amsterdam, got ${shown(input)}${guess}`;
    },
  })
  .meta({ title: "time zone" });

function isTimeZone(name: string): boolean {
  // Offsets such as +02:00 pass in newer Node versions; they know no summer time.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const nodeSchema = z.strictObject({
  id: id().meta({
    description: "Name of the node: MQTT client id, topic level, CN of its certificate. At most 23 characters advised.",
    examples: ["n0042"],
  }),
  name: text()
    .optional()
    .meta({ description: "What people call it.", examples: ["Vondelstraat, lamp post 42"] }),
  owner: ownerSchema.optional().meta({ description: "Who answers for it.", examples: [{ name: "Gemeente Voorbeeld" }] }),
  location: locationSchema
    .optional()
    .meta({ description: "Where it stands.", examples: [{ latitude: 52.361, longitude: 4.873, height: 4.5 }] }),
  purpose: text()
    .optional()
    .meta({ description: "What it is for, in words for residents.", examples: ["Traffic flow and air quality on the Vondelstraat"] }),
  timeZone: timeZone
    .default("UTC")
    .meta({ description: "Where its days begin, for reports. Windows are always UTC.", examples: ["Europe/Amsterdam"] }),
});

const storageSchema = z.strictObject({
  directory: path()
    .default("/var/lib/stoep")
    .meta({ description: "Where summaries wait for the broker. On flash.", examples: ["/var/lib/stoep"] }),
  live: path()
    .default("/run/stoep")
    .meta({
      title: "path, or memory",
      description: "Where readings of open windows live. A tmpfs, or memory: the process itself, which forgets them when it restarts.",
      examples: ["/run/stoep"],
    }),
  outbox: z
    .strictObject({
      maxBytes: size("1MB", "100GB")
        .prefault("256MB")
        .meta({ description: "Most that may wait; then the oldest is dropped and reported as lost.", examples: ["256MB"] }),
      maxAge: duration("1h", "3650d")
        .prefault("30d")
        .meta({ description: "How long a summary may wait.", examples: ["30d"] }),
    })
    .prefault({})
    .meta({ description: "Summaries that wait.", examples: [{ maxBytes: "256MB" }] }),
  egress: z
    .strictObject({
      keep: duration("1d", "3650d")
        .prefault("400d")
        .meta({ description: "How long it is remembered what left.", examples: ["400d"] }),
      maxBytes: size("1MB", "100GB")
        .prefault("64MB")
        .meta({ description: "Most that this memory may take.", examples: ["64MB"] }),
    })
    .prefault({})
    .meta({ description: "The record of what left.", examples: [{ keep: "400d" }] }),
});

const timeSchema = z.strictObject({
  source: z
    .enum(["system", "rtc", "gps", "operator"])
    .default("system")
    .meta({
      title: "choice",
      description:
        "Who vouches for the wall clock: `system`, the time service (NTP, or chrony with a GPS receiver); `gps`, only chrony with " +
        "a GPS receiver; `rtc`, also a clock with a battery; `operator`, you, always.",
      examples: ["system"],
    }),
  holdover: duration("1m", "30d")
    .prefault("1d")
    .meta({ description: "How long the node goes on by itself when nobody vouches for the clock any more.", examples: ["1d"] }),
  maxWait: duration("1h", "7d")
    .prefault("1d")
    .meta({
      description:
        "How long readings wait for a clock that can be trusted; then they are dropped and counted. Those of people wait for 1h.",
      examples: ["1d"],
    }),
});

/** The whole file. Types, defaults, checks, JSON Schema and reference come from here. */
export const nodeFileSchema = z.strictObject({
  stoep: z
    .literal(1, { error: ({ input }) => mustBe("1, the version of this file's form that this Stoep reads", input) })
    .meta({ description: "Version of the file's form.", examples: [1] }),
  node: nodeSchema.meta({ description: "What the node says about itself.", examples: [{ id: "n0042" }] }),
  broker: brokerSchema.meta({
    description: "Where summaries go.",
    examples: [{ url: "mqtts://mqtt.voorbeeld.example", prefix: "city/voorbeeld" }],
  }),
  privacy: z
    .strictObject({
      epsilonPerEvent: decimal(EPSILON_PER_EVENT_MAX)
        .prefault("1")
        .meta({
          description: "The most that all noised streams together may tell about one event of one person. At most 2.",
          examples: [1],
        }),
    })
    .prefault({})
    .meta({ description: "Limits that hold for the node as a whole.", examples: [{ epsilonPerEvent: 1 }] }),
  window: duration("10s", "1h")
    .prefault("15m")
    .meta({ description: "Length of windows, where a stream does not say. Divides a day.", examples: ["15m"] }),
  sensors: z
    .record(id(), sensorSchema)
    .refine((sensors) => Object.keys(sensors).length > 0, "is empty: name at least one sensor")
    .refine((sensors) => Object.keys(sensors).length <= SENSORS_MAX, `must be at most ${SENSORS_MAX} sensors`)
    .meta({
      description: "The sensors, by the operator's name.",
      examples: [{ "air-1": { driver: "sds011", serial: { path: "/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0" } } }],
    }),
  driverPaths: z
    .array(driverPathSchema)
    .max(100)
    .default([])
    .meta({
      title: "list",
      description: "Drivers of your own, besides those that come with Stoep.",
      examples: [[{ path: "/etc/stoep/drivers" }]],
    }),
  storage: storageSchema.prefault({}).meta({ description: "What is kept, and where.", examples: [{ directory: "/var/lib/stoep" }] }),
  time: timeSchema.prefault({}).meta({ description: "Which clock is believed.", examples: [{ source: "system" }] }),
  log: logSchema.prefault({}).meta({ description: "The log, on standard output.", examples: [{ level: "info" }] }),
  metrics: metricsSchema.prefault({}).meta({ description: "What monitoring can ask for, on this machine.", examples: [{ port: 9464 }] }),
  buses: busesSchema,
  groups: z
    .record(id(), groupSchema)
    .default({})
    .meta({
      description: "Several sensors whose streams leave together only: parking bays, households.",
      examples: [{ "lot-a": { members: ["bay-*.state"], policy: "minimum-count" } }],
    }),
  extends: path()
    .optional()
    .meta({
      description: "A file that this one builds on, one level: maps merge, lists replace, null takes a key of it out.",
      examples: ["base.yaml"],
    }),
});

/** The file after defaults: what its form says, before drivers are asked. */
export type NodeConfig = z.output<typeof nodeFileSchema>;
export type SensorConfig = NodeConfig["sensors"][string];
export type StreamConfig = NonNullable<SensorConfig["streams"]>[string];
