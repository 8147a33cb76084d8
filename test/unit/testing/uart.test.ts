import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SerialSettings } from "../../../src/core/units/port.ts";
import { atOtherRate, bitsOf, collision, heard } from "../../../src/testing/driver-checks/uart.ts";

const AT_9600: SerialSettings = { baudRate: 9_600 };
const of = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

describe("the model of a UART", () => {
  it("sends a start bit, the lowest bit first, parity and stop bits", () => {
    expect([...bitsOf(of(0x4b), AT_9600)].join("")).toBe("0110100101");
    expect([...bitsOf(of(0x4b), { baudRate: 1_200, dataBits: 7, parity: "even" })].join("")).toBe("0110100101");
    expect([...bitsOf(of(0x4b), { baudRate: 1_200, dataBits: 7, parity: "odd", stopBits: 2 })].join("")).toBe("01101001111");
  });

  it("hears what was sent at the rate of the sender, in every format", () => {
    const settings = fc.record({
      baudRate: fc.constantFrom(300, 9_600, 115_200),
      dataBits: fc.constantFrom(7 as const, 8 as const),
      parity: fc.constantFrom("none" as const, "even" as const, "odd" as const),
      stopBits: fc.constantFrom(1 as const, 2 as const),
    });
    fc.assert(
      fc.property(settings, fc.uint8Array({ maxLength: 40 }), (format, bytes) => {
        const sent = bytes.map((byte) => (format.dataBits === 7 ? byte & 0x7f : byte));
        expect(heard(bitsOf(sent, format), format, 1)).toEqual(sent);
        // A clock that is off by 4 % still does (half a bit in ten, less the middle).
        expect(heard(bitsOf(sent, { ...format, stopBits: 2 }), format, 1.04)).toEqual(sent);
      }),
    );
  });

  it.each<[string, number, Uint8Array, number[]]>([
    // The line is 0 1 0 1 0 1 0 1 0 1. The first byte is 0 | 0 1 1 0 0 1 1 0 and its stop bit is missing; the line is high again at 5.
    ["U at twice its rate", 19_200, of(0x55), [0x66, 0xe6]],
    // Each space is over when the middle of a start bit is looked at.
    ["U at half its rate: spikes", 4_800, of(0x55), []],
    // 0 1 1 1 1 0 0 0 0 1: the fall at 0 is a spike, the one at 5 a start bit; looked at at 8, 10, 12 …
    ["0F at half its rate, after a start bit of one that is a spike", 4_800, of(0x0f), [0xfe]],
    ["a zero at twelve times its rate: a break, and nothing else", 115_200, of(0x00), [0x00]],
    ["nothing", 115_200, of(), []],
  ])("%s", (_, rate, sent, expected) => {
    expect([...atOtherRate(sent, AT_9600, rate)]).toEqual(expected);
  });

  it("two that speak at once are heard as what both leave high", () => {
    expect([...collision(of(0xf0), of(0x3c), AT_9600, 0)]).toEqual([0x30]);
    expect([...collision(of(0x41), of(0x42), AT_9600, 10)]).toEqual([0x41, 0x42]);
  });
});
