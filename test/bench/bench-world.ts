import { join } from "node:path";
import { createMqttBroker } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { openLiveStore } from "../../src/adapters/sqlite/live-store.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { createSystemCrypto } from "../../src/adapters/system-crypto.ts";
import type { NodePlan, SensorPlan } from "../../src/config/plan.ts";
import { findQuantity } from "../../src/core/reading/quantity.ts";
import type { ChannelPlan, StreamPlan } from "../../src/core/reading/stream.ts";
import { nodeId, sensorId, streamId } from "../../src/core/units/ids.ts";
import { durationMs } from "../../src/core/units/time.ts";
import { driverApi } from "../../src/driver-api/api.ts";
import type { DriverModule } from "../../src/driver-api/driver.ts";
import type { PortListener, SerialBus } from "../../src/ports/field-port.ts";
import type { World } from "../../src/runtime/node.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";

/** Ports that take bytes from the bench at once. */
export class BenchBus implements SerialBus {
  readonly listeners: PortListener[] = [];

  open(_path: string, _settings: unknown, listener: PortListener): { write(): void; signal(): void; close(): void } {
    this.listeners.push(listener);
    queueMicrotask(() => listener({ type: "opened", settings: {} }));
    return { write: () => {}, signal: () => {}, close: () => {} };
  }

  realPath(path: string): string {
    return path;
  }
}

export interface BenchPlan {
  readonly sensors: number;
  readonly windowMs: number;
  readonly url: string;
  readonly directory: string;
  readonly inFlightMax: number;
}

/** A plan of SDS011 sensors, two streams each. */
export async function benchPlan({ sensors, windowMs, url, directory, inFlightMax }: BenchPlan): Promise<NodePlan> {
  const module = (await import("../../drivers/sds011/driver.ts")) as { default: DriverModule };
  const driver = module.default(driverApi);
  const options = driver.options.parse({});
  const channels = driver.channels(options).map((spec): ChannelPlan => {
    const quantity = findQuantity(spec.quantity);
    if (quantity === null) throw new Error(`no quantity ${spec.quantity}`);
    const { name, unit, range, resolution, sensitivity } = spec;
    const { kind } = quantity;
    return {
      name,
      quantity: spec.quantity,
      kind,
      unit,
      sensitivity,
      range,
      resolution,
      cells: {},
      maxPerPassage: 1,
      states: [],
      warmUpMs: 0,
      calibration: null,
    };
  });
  const plans = Array.from({ length: sensors }, (_, index): SensorPlan => {
    const id = sensorId(`air-${index + 1}`);
    const streams = channels.map(
      (channel): StreamPlan => ({
        id: streamId(id, channel.name),
        sensor: id,
        name: channel.name,
        channel,
        sensitivity: "environmental",
        policy: { is: "open" },
        windowMs: durationMs(windowMs),
        latenessMs: durationMs(1_000),
        binEdges: [],
      }),
    );
    return {
      id,
      driver,
      options,
      port: { is: "serial", path: `/dev/bench${index}`, settings: { baudRate: 9600 } },
      enabled: true,
      instrument: null,
      azimuth: null,
      directions: {},
      location: null,
      onStartFailure: "retry",
      channels,
      streams,
    };
  });
  const hour = durationMs(3_600_000);
  return {
    node: { id: nodeId("bench"), name: null, owner: null, location: null, purpose: null, timeZone: "UTC" },
    broker: {
      url,
      protocol: 5,
      prefix: "bench",
      username: null,
      password: null,
      tls: { ca: null, cert: null, key: null },
      inFlightMax,
      keepAliveMs: durationMs(30_000),
      ackTimeoutMs: durationMs(1e12), // the clock of the bench runs faster than the broker
      allowSimulated: true,
    },
    sensors: plans,
    storage: {
      directory,
      live: null,
      outbox: { maxBytes: 1e9, maxAgeMs: durationMs(720 * hour) },
      egress: { keepMs: durationMs(9600 * hour), maxBytes: 64e6 },
    },
    time: { source: "operator" },
    log: { level: "error" },
  };
}

/** The real stores and the real MQTT client under a clock that the bench moves. */
export async function benchWorld(plan: NodePlan, liveDirectory: string): Promise<{ world: World; clock: VirtualClock; bus: BenchBus }> {
  const clock = new VirtualClock();
  clock.breathe = () => new Promise((resolve) => setImmediate(resolve));
  const crypto = createSystemCrypto();
  const bus = new BenchBus();
  const outbox = await openOutbox({ directory: plan.storage.directory, randomBytes: (count) => crypto.randomBytes(count) });
  const live = openLiveStore({ path: join(liveDirectory, "live.db"), instance: outbox.instance, bootId: clock.bootId, bytesMax: 256e6 });
  const none = { write: () => {}, signal: () => {}, close: () => {} };
  const world: World = {
    clock,
    crypto,
    events: { emit: () => {} },
    scheduler: { every: () => () => {} },
    serial: bus,
    gpio: {
      probe: () => Promise.resolve({ backend: "none", detail: "", limits: [] }),
      watch: () => ({ ...none, ignoredEdges: () => 0 }),
      close: () => {},
    },
    replay: { open: () => none },
    live,
    outbox,
    broker: createMqttBroker({ url: plan.broker.url, protocol: 5, clientId: "bench", keepAliveMs: 30_000, tls: {} }),
    residentBytes: () => process.memoryUsage.rss(),
  };
  return { world, clock, bus };
}
