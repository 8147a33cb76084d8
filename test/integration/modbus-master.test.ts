import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ServerSerial } from "modbus-serial/ServerSerial.js";
import { expect, it, onTestFinished } from "vitest";
import { createModbusCodec } from "../../src/adapters/modbus-codec.ts";
import { createSerialBus } from "../../src/adapters/serial-bus.ts";
import { createSystemClock } from "../../src/adapters/system-clock.ts";
import type { RegisterRange } from "../../src/core/framing/modbus-rtu.ts";
import type { AskedPort, PortEvent } from "../../src/ports/field-port.ts";
import { ModbusLines } from "../../src/runtime/modbus-lines.ts";
import { SerialClaims } from "../../src/runtime/serial-claims.ts";
import { openLab } from "../support/lab.ts";
import { until } from "../support/until.ts";

const { ServerSerial: Server } = createRequire(import.meta.url)("modbus-serial") as { ServerSerial: typeof ServerSerial };
const UNITS = [3, 9];
const ASKED: readonly RegisterRange[] = [
  { table: "holding", address: 10, count: 1 },
  { table: "input", address: 0, count: 125 },
  { table: "coil", address: 5, count: 11 },
  { table: "discrete", address: 0, count: 2_000 },
];
const isSet = (address: number, unit: number): boolean => (address + unit) % 3 === 0;

/** The slave of `modbus-serial`, at the far end of a pseudo terminal: an implementation that is not ours. */
function slaveAt(path: string, unit: number): Promise<void> {
  return new Promise((resolve) => {
    const vector = {
      getHoldingRegister: (address: number) => unit * 1_000 + address,
      getInputRegister: (address: number) => unit * 2_000 + address,
      getCoil: (address: number) => isSet(address, unit),
      getDiscreteInput: (address: number) => !isSet(address, unit),
    };
    const server = new Server(vector, { path, baudRate: 9_600, unitID: unit, openCallback: () => resolve() } as never);
    server.on("error", () => {});
    onTestFinished(() => new Promise((closed) => server.close(() => closed())));
  });
}

function attach(lines: ModbusLines, path: string, unit: number): { port: AskedPort; heard: PortEvent[] } {
  const heard: PortEvent[] = [];
  const port = lines.attach({ bus: "rs485-1", unit, path, settings: { baudRate: 9_600 } }, (event) => {
    heard.push(event.type === "reply" ? { ...event, data: event.data.slice() } : event);
  });
  return { port, heard };
}

it("reads every table of a slave that is not ours", { timeout: 30_000 }, async () => {
  const pty = await openLab().pty();
  await slaveAt(join(dirname(pty.path), "device"), 3);
  const clock = createSystemClock({ bootId: "test" });
  const codec = createModbusCodec();
  const lines = new ModbusLines({ clock, serial: new SerialClaims(createSerialBus({ clock })), codec: () => codec });
  const [answering, absent] = UNITS.map((unit) => attach(lines, pty.path, unit)) as [ReturnType<typeof attach>, ReturnType<typeof attach>];
  await until(() => answering.heard.length > 0 && absent.heard.length > 0);
  for (const [index, registers] of ASKED.entries()) answering.port.request(`q${index}`, { registers }, 1_000);
  absent.port.request("q", { registers: { table: "holding", address: 0, count: 1 } }, 100);
  await until(() => answering.heard.length === 1 + ASKED.length && absent.heard.length === 2);

  expect(answering.heard.map(({ type }) => type)).toEqual(["opened", ...ASKED.map(() => "reply")]);
  expect(absent.heard[1]).toEqual({ type: "noReply", tag: "q", reason: "timeout" });
  const [holding, input, coils, inputs] = answering.heard
    .slice(1)
    .map((event) => (event.type === "reply" ? Buffer.from(event.data) : null));
  expect(holding?.readUInt16BE(0)).toBe(3_010);
  expect(input?.length).toBe(250);
  expect(input?.readUInt16BE(248)).toBe(6_124);
  const bit = (bytes: Buffer | null | undefined, at: number): boolean => ((bytes?.[at >> 3] ?? 0) & (1 << (at & 7))) !== 0;
  expect(Array.from({ length: 11 }, (_, at) => bit(coils, at))).toEqual(Array.from({ length: 11 }, (_, at) => isSet(5 + at, 3)));
  expect(Array.from({ length: 2_000 }, (_, at) => bit(inputs, at))).toEqual(Array.from({ length: 2_000 }, (_, at) => !isSet(at, 3)));

  const { counters } = lines.report()["rs485-1"] ?? {};
  expect(counters).toMatchObject({ questions: 5, replies: 4, timeouts: 1, discardedBytes: {} });
  expect(counters?.bytes).toBe(counters?.settledBytes);
  answering.port.close();
  absent.port.close();
  expect(lines.report()["rs485-1"]).toMatchObject({ isOpen: false, units: [] });
});
