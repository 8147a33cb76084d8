import type { NodePlan, SensorPlan } from "../../src/config/plan.ts";
import { type ChannelPlan, NODE_ACCOUNT, type StreamPlan } from "../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../src/core/units/epsilon.ts";
import { nodeId, type SensorId, sensorId, streamId } from "../../src/core/units/ids.ts";
import { type DurationMs, durationMs, MINUTE_MS, SECOND_MS } from "../../src/core/units/time.ts";
import type { Driver, Session } from "../../src/driver-api/driver.ts";

export const WINDOW_MS = durationMs(15 * MINUTE_MS);
export const LATENESS_MS = durationMs(30 * SECOND_MS);

/** PM2.5 of an ordinary dust sensor, changed where a test says so. */
export function channelPlan(changes: Partial<ChannelPlan> = {}): ChannelPlan {
  const { sensitivity = "environmental" } = changes;
  return {
    name: "pm25",
    quantity: "pm25",
    kind: "gauge",
    unit: "ug/m3",
    sensitivity,
    showsLife: sensitivity === "environmental",
    range: [0, 1_000],
    resolution: 0.1,
    cells: {},
    maxPerPassage: 1,
    states: [],
    warmUpMs: 0,
    calibration: null,
    ...changes,
  };
}

export const PASSAGES = channelPlan({
  name: "passages",
  quantity: "passages",
  kind: "passage",
  unit: "1",
  sensitivity: "presence",
  range: [0, 1],
  resolution: 1,
  cells: { directions: ["towards", "away"] },
});

export const SPEED = channelPlan({
  name: "speed",
  quantity: "speed",
  kind: "speed",
  unit: "km/h",
  sensitivity: "presence",
  range: [1, 250],
  resolution: 1,
});

export const RAIN = channelPlan({ name: "rainfall", quantity: "rainfall", kind: "counter", unit: "mm", range: [0, 100], resolution: 0.1 });

export const DOOR = channelPlan({
  name: "cabinet_door",
  quantity: "cabinet_door",
  kind: "state",
  unit: "1",
  range: [0, 1],
  resolution: 1,
  states: ["closed", "open"],
});

interface StreamChanges extends Partial<Omit<StreamPlan, "id" | "sensor" | "windowMs" | "latenessMs">> {
  readonly sensor?: string;
  readonly windowMs?: number;
  readonly latenessMs?: number;
}

/** A stream of `channel`, named after it, with the policy that suits it. */
export function streamPlan(channel: ChannelPlan = channelPlan(), changes: StreamChanges = {}): StreamPlan {
  const { sensor = "air-1", windowMs = WINDOW_MS, latenessMs = LATENESS_MS, ...rest } = changes;
  const name = rest.name ?? channel.name;
  const isOfPeople = channel.sensitivity !== "environmental";
  return {
    channel,
    account: NODE_ACCOUNT,
    from: null,
    group: null,
    sensitivity: channel.sensitivity,
    policy: isOfPeople ? { is: "minimum-count", k: 10 } : { is: "open" },
    binEdges: channel.kind === "speed" ? [0, 30, 50, 70, 250] : [],
    ...rest,
    id: streamId(sensorId(sensor), name),
    sensor: sensorId(sensor),
    name,
    windowMs: windowMs as DurationMs,
    latenessMs: latenessMs as DurationMs,
  };
}

/** A driver whose session does what a test says. */
export function driverOf(session: Session | (() => Session), changes: Partial<Driver> = {}): Driver {
  return {
    apiVersion: 1,
    name: "fake",
    summary: "does what a test says",
    port: "serial",
    options: null as unknown as Driver["options"],
    channels: () => [],
    start: () => (typeof session === "function" ? session() : session),
    ...changes,
  };
}

interface SensorChanges extends Partial<Omit<SensorPlan, "id">> {
  readonly id?: string;
}

/** A serial sensor; its port is called after it. */
export function sensorPlan(changes: SensorChanges = {}): SensorPlan {
  const { id = "air-1", ...rest } = changes;
  return {
    driver: driverOf({ handle: () => undefined }),
    options: {},
    port: { is: "serial", path: `/dev/${id}`, settings: { baudRate: 9_600 } },
    enabled: true,
    instrument: null,
    azimuth: null,
    directions: {},
    location: null,
    onStartFailure: "retry",
    consent: null,
    channels: [channelPlan()],
    streams: [streamPlan(channelPlan(), { sensor: id })],
    ...rest,
    id: sensorId(id) as SensorId,
  };
}

export function nodePlan(sensors: readonly SensorPlan[], changes: Partial<NodePlan> = {}): NodePlan {
  return {
    node: {
      id: nodeId("n0042"),
      name: "Vondelstraat, lamp post 42",
      owner: { name: "Gemeente Voorbeeld", contact: "sensoren@voorbeeld.example", website: null },
      location: { latitude: 52.361, longitude: 4.873, height: 4.5 },
      purpose: "Traffic flow and air quality",
      timeZone: "Europe/Amsterdam",
    },
    broker: {
      url: "mqtt://localhost:1883",
      protocol: 5,
      prefix: "city/voorbeeld",
      username: null,
      password: null,
      tls: { ca: null, cert: null, key: null, pins: [] },
      residency: {
        mode: "warn",
        allow: ["EU", "EEA"],
        operator: "record",
        private: "declare",
        provider: null,
        databases: { location: null, operator: null },
      },
      inFlightMax: 20,
      keepAliveMs: durationMs(60_000),
      ackTimeoutMs: durationMs(30_000),
      drainPerSecond: null,
      spreadMs: durationMs(0),
      allowSimulated: true,
    },
    sensors,
    groups: [],
    privacy: { epsilonPerEventMicro: epsilonMicro(1_000_000) },
    storage: {
      directory: "/var/lib/stoep",
      live: null,
      outbox: { maxBytes: 256 * 1024 * 1024, maxAgeMs: durationMs(30 * 86_400_000) },
      egress: { keepMs: durationMs(400 * 86_400_000), maxBytes: 64 * 1024 * 1024 },
    },
    time: { source: "system", holdoverMs: durationMs(86_400_000), maxWaitMs: durationMs(86_400_000) },
    metricsPort: null,
    log: { level: "info" },
    ...changes,
  };
}
