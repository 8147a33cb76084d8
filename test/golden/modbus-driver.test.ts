import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadDriver } from "../../src/adapters/driver-loader.ts";
import { createModbusCodec } from "../../src/adapters/modbus-codec.ts";
import { policiesOf } from "../../src/core/anonymise/policy.ts";
import { crc16Modbus } from "../../src/core/framing/checksums.ts";
import type { RegisterRange } from "../../src/core/framing/modbus-rtu.ts";
import { findQuantity } from "../../src/core/reading/quantity.ts";
import { monotonicMs } from "../../src/core/units/time.ts";
import { type Answer, recordingSink } from "../../src/driver-api/golden.ts";

const DRIVERS = join(import.meta.dirname, "../../drivers");
const loaded = await loadDriver("modbus", [{ path: DRIVERS }]);
if (!loaded.ok) throw new Error(loaded.problem.detail);
const { driver } = loaded;

const refusals = (options: object): readonly string[] => {
  const result = driver.options.safeParse(options);
  return result.success ? [] : result.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
};
const withField = (field: object) => refusals({ channels: { a: { quantity: "voltage", address: 0, ...field } } });

/** What a session asks when its port is opened. */
function asked(options: object): readonly RegisterRange[] {
  const ranges: RegisterRange[] = [];
  const sink = recordingSink((answer) => {
    if (answer.call === "request" && "registers" in answer.body) ranges.push(answer.body.registers);
  });
  driver.start(driver.options.parse(options)).handle({ type: "opened", atMs: monotonicMs(0), settings: {} }, sink);
  return ranges;
}

describe("the options of driver modbus", () => {
  it.each([
    ["nothing to read", {}, "channels: is missing"],
    ["an unknown profile", { profile: "sdm999" }, "profile: "],
    [
      "a unit that gives less than a number",
      { countMax: 1, channels: { a: { quantity: "voltage", address: 0, type: "u32" } } },
      "countMax: ",
    ],
  ])("refuse %s", (_name, options, message) => {
    expect(refusals(options)).toEqual([expect.stringContaining(message)]);
  });

  it.each([
    ["an address that the number does not fit behind", { address: 65_535, type: "u32" }, "channels.a.address: has no room for u32"],
    ["a number in a table of bits", { table: "coil", type: "u16" }, "channels.a.type: must be bit"],
    ["a bit of a table of bits", { table: "coil", bit: 1 }, "channels.a.bit: goes with registers"],
    ["a bit of a float", { type: "f32", bit: 1 }, "channels.a.bit: goes with type: bit"],
    ["a bit without its number", { type: "bit" }, "channels.a.bit: is missing"],
    ["a counter that does not say what it counts", { quantity: "rainfall" }, "channels.a.counts: belongs to counters"],
    ["a total of what is no counter", { counts: "total" }, "channels.a.counts: belongs to counters"],
    ["a modulus of what is no total", { quantity: "rainfall", counts: "increments", modulus: 10 }, "channels.a.modulus: goes with"],
    ["the wrong unit", { unit: "mV" }, "channels.a.unit: voltage is in V"],
    ["an unknown quantity without a unit", { quantity: "radon" }, "channels.a.unit: is needed"],
    ["passages", { quantity: "passages" }, "channels.a.quantity: passages is not one number"],
    ["a range that is upside down", { range: [10, 0] }, "channels.a.range: must be"],
  ])("refuse %s", (_name, field, message) => {
    expect(withField(field)).toEqual([expect.stringContaining(message)]);
  });

  it("say what the line of the bus must be, as far as they know", () => {
    const line = (options: object) => driver.unitLine?.(driver.options.parse({ profile: "sdm120", ...options }));
    expect(line({})).toEqual({});
    expect(line({ line: { baud: 2_400, parity: "even" } })).toEqual({ baudRate: 2_400, parity: "even" });
  });
});

describe("the questions of driver modbus", () => {
  const voltage = (address: number, more: object = {}) => ({ quantity: "voltage", address, ...more });

  it("join neighbours, and ask once for what two channels read", () => {
    expect(asked({ channels: { a: voltage(0), b: voltage(2), c: voltage(19), d: voltage(19, { bit: 3 }), e: voltage(40) } })).toEqual([
      { table: "holding", address: 0, count: 20 },
      { table: "holding", address: 40, count: 1 },
    ]);
    expect(asked({ gapMax: 0, channels: { a: voltage(0), b: voltage(2) } })).toHaveLength(2);
  });

  it("never ask for more than an answer holds, or the unit gives", () => {
    const channels = Object.fromEntries(Array.from({ length: 64 }, (_, index) => [`v${index}`, voltage(index * 4, { type: "u64" })]));
    expect(asked({ channels }).map(({ count }) => count)).toEqual([124, 124, 8]);
    expect(asked({ channels, countMax: 10 }).map(({ count }) => count)).toEqual(Array.from({ length: 32 }, () => 8));
  });
});

it("what a household's meter measures stays, but in a group", () => {
  for (const profile of ["sdm120", "sdm630"]) {
    for (const { quantity, sensitivity } of driver.channels(driver.options.parse({ profile }))) {
      expect(sensitivity, quantity).toBe("identifying");
      const { kind = "gauge" } = findQuantity(quantity) ?? {};
      expect(policiesOf(kind, sensitivity)[0]).toBe("withheld");
    }
  }
});

it("vectors of the sensor reference come out through the frame, the codec and the driver", () => {
  const codec = createModbusCodec();
  const session = driver.start(driver.options.parse({ profile: "noise-dbx10", everySeconds: 1 }));
  const answers: Answer[] = [];
  const sink = recordingSink((answer) => answers.push(answer));
  session.handle({ type: "opened", atMs: monotonicMs(0), settings: {} }, sink);
  const request = answers.find((answer) => answer.call === "request");
  if (request?.call !== "request" || !("registers" in request.body)) throw new Error("it asks nothing");
  expect(Buffer.from(codec.question(1, request.body.registers)).toString("hex")).toBe("010300000001840a");
  const judged = codec.judge(Buffer.from("010302022578ff", "hex"), 1, request.body.registers);
  if (judged.is !== "reply") throw new Error(judged.is);
  session.handle({ type: "reply", atMs: monotonicMs(9), tag: request.tag, data: judged.data }, sink);
  expect(answers.at(-1)).toEqual({ call: "reading", channel: "laf", value: 54.9, detail: {} });
  expect(crc16Modbus(Buffer.from("123456789"), 0, 9)).toBe(0x4b37);
});
