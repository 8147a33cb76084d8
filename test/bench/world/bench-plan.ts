import createSds011 from "../../../drivers/sds011/driver.ts";
import type { NodePlan, SensorPlan } from "../../../src/config/plan.ts";
import { findQuantity } from "../../../src/core/reading/quantity.ts";
import { type ChannelPlan, NODE_ACCOUNT, type StreamPlan } from "../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { nodeId, sensorId, streamId } from "../../../src/core/units/ids.ts";
import { DAY_MS, durationMs } from "../../../src/core/units/time.ts";
import { driverApi } from "../../../src/driver-api/api.ts";
import type { ChannelSpec } from "../../../src/driver-api/driver.ts";

export interface BenchPlan {
  readonly sensors: number;
  /** 2: PM2.5 and PM10; 1: PM2.5, and the other is dropped as not published. */
  readonly streamsPerSensor: 1 | 2;
  readonly windowMs: number;
  readonly latenessMs: number;
  readonly url: string;
  readonly directory: string;
  readonly inFlightMax: number;
}

/** A node with SDS011 sensors, every stream `open`. */
export function benchPlan(wanted: BenchPlan): NodePlan {
  const driver = createSds011(driverApi);
  const options = driver.options.parse({});
  const channels = driver.channels(options).map(channelPlan);
  const sensors = Array.from({ length: wanted.sensors }, (_, index): SensorPlan => {
    const id = sensorId(`air-${index + 1}`);
    return {
      id,
      driver,
      options,
      port: { is: "serial", path: `/dev/bench${index}`, settings: { baudRate: 9_600 } },
      enabled: true,
      instrument: null,
      azimuth: null,
      directions: {},
      location: null,
      onStartFailure: "retry",
      consent: null,
      channels,
      streams: channels.slice(0, wanted.streamsPerSensor).map(
        (channel): StreamPlan => ({
          id: streamId(id, channel.name),
          sensor: id,
          name: channel.name,
          account: NODE_ACCOUNT,
          from: null,
          group: null,
          channel,
          sensitivity: "environmental",
          policy: { is: "open" },
          windowMs: durationMs(wanted.windowMs),
          latenessMs: durationMs(wanted.latenessMs),
          binEdges: [],
        }),
      ),
    };
  });
  return {
    node: { id: nodeId("bench"), name: null, owner: null, location: null, purpose: null, timeZone: "UTC" },
    broker: {
      url: wanted.url,
      protocol: 5,
      prefix: "bench",
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
      inFlightMax: wanted.inFlightMax,
      keepAliveMs: durationMs(30_000),
      ackTimeoutMs: durationMs(1e12), // the clock of the bench runs faster than the broker
      drainPerSecond: null,
      spreadMs: durationMs(0),
      allowSimulated: true,
    },
    sensors,
    groups: [],
    privacy: { epsilonPerEventMicro: epsilonMicro(1_000_000) },
    storage: {
      directory: wanted.directory,
      live: null,
      outbox: { maxBytes: 1e9, maxAgeMs: durationMs(30 * DAY_MS) },
      egress: { keepMs: durationMs(400 * DAY_MS), maxBytes: 64e6 },
    },
    time: { source: "operator", holdoverMs: durationMs(86_400_000), maxWaitMs: durationMs(86_400_000) },
    metricsPort: null,
    log: { level: "error" },
  };
}

function channelPlan({ name, quantity, unit, range, resolution, sensitivity }: ChannelSpec): ChannelPlan {
  const kind = findQuantity(quantity)?.kind ?? "gauge";
  return {
    name,
    quantity,
    kind,
    unit,
    sensitivity,
    showsLife: sensitivity === "environmental",
    range,
    resolution,
    cells: {},
    maxPerPassage: 1,
    states: [],
    warmUpMs: 0,
    calibration: null,
  };
}
