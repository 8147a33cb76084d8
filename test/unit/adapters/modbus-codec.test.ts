import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import type { ModbusRTU } from "modbus-serial/ModbusRTU.js";
import { describe, expect, it } from "vitest";
import { createModbusCodec } from "../../../src/adapters/modbus-codec.ts";
import { crc16Modbus } from "../../../src/core/framing/checksums.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const holding = (count: number, address = 0) => ({ table: "holding", address, count }) as const;

function checked(...bytes: readonly number[]): Uint8Array {
  const crc = crc16Modbus(Uint8Array.from(bytes), 0, bytes.length);
  return Uint8Array.from([...bytes, crc & 0xff, crc >> 8]);
}

describe("Modbus by modbus-serial", () => {
  const codec = createModbusCodec();

  it("asks as the sensor reference has it (C6)", () => {
    expect(codec.question(1, holding(10))).toEqual(hex("01 03 00 00 00 0A C5 CD"));
    expect(codec.question(1, holding(1))).toEqual(hex("01 03 00 00 00 01 84 0A"));
    expect(codec.question(1, holding(2))).toEqual(hex("01 03 00 00 00 02 C4 0B"));
  });

  it.each([
    ["coil", 1],
    ["discrete", 2],
    ["holding", 3],
    ["input", 4],
  ] as const)("asks table %s with function %i", (table, code) => {
    expect(codec.question(17, { table, address: 0x0102, count: 3 })).toEqual(checked(17, code, 1, 2, 0, 3));
  });

  it("reads replies and exceptions of the sensor reference (C6)", () => {
    expect(codec.judge(hex("01 03 02 02 25 78 FF"), 1, holding(1))).toEqual({ is: "reply", data: Uint8Array.of(2, 0x25) });
    expect(codec.judge(hex("01 83 02 C0 F1"), 1, holding(1))).toEqual({ is: "exception", code: 2 });
  });

  it("reads bits", () => {
    const discrete = { table: "discrete", address: 0, count: 9 } as const;
    expect(codec.judge(checked(1, 2, 2, 0xcd, 0x01), 1, discrete)).toEqual({ is: "reply", data: Uint8Array.of(0xcd, 1) });
  });

  it.each([
    ["of another unit", checked(2, 3, 2, 2, 0x25), "wrong-unit"],
    ["of another unit, an exception", checked(2, 0x83, 2), "wrong-unit"],
    ["of another function", checked(1, 4, 2, 2, 0x25), "wrong-function"],
    ["with one register too many", checked(1, 3, 4, 2, 0x25, 0, 0), "length"],
    ["with a wrong checksum", hex("01 03 02 02 24 78 FF"), "checksum"],
  ] as const)("takes a frame %s for no answer", (_name, frame, reason) => {
    expect(codec.judge(frame, 1, holding(1))).toEqual({ is: "stray", reason });
    expect(codec.judge(hex("01 03 02 02 25 78 FF"), 1, holding(1)).is, "and the answer for one after it").toBe("reply");
  });
});

// Why nothing else of the package is used: ADR 0022 says so, and these say when that is no longer true.
describe("the client of modbus-serial itself", () => {
  class Line extends EventEmitter {
    readonly isOpen = true;
    open(callback: (error: null) => void): void {
      callback(null);
    }
    write(): void {}
  }
  const Client = createRequire(import.meta.url)("modbus-serial") as typeof ModbusRTU;
  function client() {
    const line = new Line();
    const master = new Client(line);
    master.open();
    master.setID(1);
    return { line, master, hear: (...bytes: readonly number[]) => line.emit("data", Buffer.from(checked(...bytes))) };
  }

  it("takes the late answer to one question for the answer to the next", async () => {
    const { master, hear } = client();
    master.setTimeout(1);
    await expect(master.readHoldingRegisters(0, 1)).rejects.toThrow("Timed out");
    const next = master.readHoldingRegisters(100, 1);
    hear(1, 3, 2, 0x11, 0x11);
    expect((await next).data).toEqual([0x1111]);
  });

  it("takes an exception of another unit for its own", async () => {
    const { master, hear } = client();
    const asked = master.readHoldingRegisters(0, 1);
    hear(2, 0x83, 2);
    await expect(asked).rejects.toThrow("Modbus exception 2");
  });

  it("gives the question up at the first wrong frame, though the answer may still come", async () => {
    const { master, hear } = client();
    const asked = master.readHoldingRegisters(0, 1);
    hear(2, 3, 2, 0, 7);
    await expect(asked).rejects.toThrow("Unexpected data error");
  });
});
