import { z } from "zod";
import type { ChannelSpec, Driver, PortKind, Session } from "../../src/driver-api/index.ts";

// Drivers as the planner sees them: names, ports, options and channels of the real kinds. Their sessions say nothing.

const silent: Session = { handle: () => undefined };

interface Fake<Options> {
  readonly name: string;
  readonly port: PortKind;
  readonly serial?: Driver["serial"];
  readonly lines?: readonly string[];
  readonly options: z.ZodType<Options>;
  unitLine?(options: Options): Partial<NonNullable<Driver["serial"]>>;
  channels(options: Options): readonly ChannelSpec[];
}

function fake<Options>({ channels, ...rest }: Fake<Options>): Driver {
  const driver: Driver<Options> = {
    apiVersion: 1,
    summary: "A fake for tests.",
    ...rest,
    channels,
    start: () => silent,
  } as Driver<Options>;
  // Options are checked by the driver's own schema before they reach it, as the runtime does.
  return driver as Driver<unknown> & Driver<Options>;
}

function channel(name: string, quantity: string, unit: string, more: Partial<ChannelSpec> = {}): ChannelSpec {
  return { name, quantity, unit, range: [0, 1_000], resolution: 0.1, sensitivity: "environmental", ...more };
}

const nothing = z.strictObject({});

const sds011 = fake({
  name: "sds011",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: nothing,
  channels: () => [channel("pm25", "pm25", "ug/m3"), channel("pm10", "pm10", "ug/m3")],
});

const passages = channel("passages", "passages", "1", {
  sensitivity: "presence",
  resolution: 1,
  cells: { directions: ["towards", "away"] },
  maxPerPassage: 1,
});

const ops243 = fake({
  name: "ops243",
  port: "serial",
  serial: { baudRate: 19_200 },
  options: z.strictObject({ threshold: z.number().min(0).max(100).default(10) }),
  channels: () => [passages, channel("speed", "speed", "km/h", { sensitivity: "presence" })],
});

const thermometer = fake({
  name: "thermometer",
  port: "file",
  options: nothing,
  channels: () => [channel("temperature", "temperature", "Cel")],
});

const pulseCounter = fake({
  name: "pulse-counter",
  port: "gpio",
  options: z.strictObject({ quantity: z.enum(["rainfall", "energy", "entries"]), perPulse: z.number().positive() }),
  channels: ({ quantity }) => [channel(quantity, quantity, quantity === "rainfall" ? "mm" : quantity === "energy" ? "kW.h" : "1")],
});

const contact = fake({
  name: "contact",
  port: "gpio",
  options: z.strictObject({ quantity: z.enum(["cabinet_door", "bay_state"]) }),
  channels: ({ quantity }) => [
    channel(quantity, quantity, "1", {
      sensitivity: quantity === "bay_state" ? "presence" : "environmental",
      range: [0, 1],
      resolution: 1,
    }),
  ],
});

const windVane = fake({
  name: "wind-vane",
  port: "gpio",
  lines: ["north", "south"],
  options: nothing,
  channels: () => [channel("wind_direction", "wind_direction", "deg", { range: [0, 360] })],
});

const jsonLines = fake({
  name: "json-lines",
  port: "serial",
  options: z.strictObject({
    channels: z.record(z.string(), z.strictObject({ quantity: z.string(), unit: z.string(), publish: z.boolean().default(true) })),
  }),
  channels: ({ channels }) =>
    Object.entries(channels).map(([name, { quantity, unit, publish }]) => channel(name, quantity, unit, { publish })),
});

const simulator = fake({
  name: "simulator",
  port: "simulator",
  options: z.strictObject({ seed: z.int().default(1) }),
  channels: () => [channel("temperature", "temperature", "Cel", { range: [-40, 60] }), passages],
});

const voltage = () => [channel("voltage", "voltage", "V")];
const modbusMeter = fake({
  name: "modbus-meter",
  port: "modbus",
  options: z.strictObject({ parity: z.enum(["none", "even"]).optional() }),
  unitLine: ({ parity }) => (parity === undefined ? {} : { parity }),
  channels: voltage,
});
/** One that cannot be set to anything else. */
const oldMeter = fake({ name: "old-meter", port: "modbus", serial: { baudRate: 2_400 }, options: nothing, channels: voltage });

/** Every fake driver, by name. */
export const fakeDrivers: ReadonlyMap<string, Driver> = new Map(
  [contact, sds011, ops243, pulseCounter, windVane, jsonLines, simulator, modbusMeter, oldMeter, thermometer].map((driver) => [
    driver.name,
    driver,
  ]),
);
