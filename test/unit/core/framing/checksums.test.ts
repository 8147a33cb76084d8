import { describe, expect, it } from "vitest";
import { crc8Maxim, crc16Arc, crc16Ccitt, crc16Modbus, sum8, xor8 } from "../../../../src/core/framing/checksums.ts";

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const CHECK = ascii("123456789");

// DSMR v4 telegram of a Sagemcom T210 (ndokter/dsmr_parser: test/example_telegrams.py), without anything that names its owner.
const TELEGRAM = [
  "/EST5\\253710000_A",
  "",
  "1-3:0.2.8(50)",
  "0-0:1.0.0(221006155014S)",
  "1-0:1.8.0(006545766*Wh)",
  "1-0:1.8.1(005017120*Wh)",
  "1-0:1.8.2(001528646*Wh)",
  "1-0:1.7.0(000000286*W)",
  "1-0:2.8.0(000000058*Wh)",
  "1-0:2.8.1(000000000*Wh)",
  "1-0:2.8.2(000000058*Wh)",
  "1-0:2.7.0(000000000*W)",
  "1-0:3.8.0(000000747*varh)",
  "1-0:3.8.1(000000000*varh)",
  "1-0:3.8.2(000000747*varh)",
  "1-0:3.7.0(000000000*var)",
  "1-0:4.8.0(003897726*varh)",
  "1-0:4.8.1(002692848*varh)",
  "1-0:4.8.2(001204878*varh)",
  "1-0:4.7.0(000000166*var)",
  "!",
].join("\r\n");

describe("crc16Modbus", () => {
  it("has the published check value", () => {
    expect(crc16Modbus(CHECK, 0, CHECK.length)).toBe(0x4b37);
  });

  it.each([
    "01030000000AC5CD",
    "010300000001840A",
    "010300000002C40B",
    "018302C0F1",
    "FE0400030001D5C5",
    "FE04020190ACD8",
    "FE0400000004E5C6",
  ])("agrees with the frame %s, low byte first", (text) => {
    const frame = hex(text);
    const end = frame.length - 2;
    expect(crc16Modbus(frame, 0, end)).toBe((frame[end] ?? 0) | ((frame[end + 1] ?? 0) << 8));
  });
});

describe("crc16Ccitt", () => {
  it("gives the published check value", () => {
    expect(crc16Ccitt(CHECK, 0, CHECK.length)).toBe(0x31c3);
  });

  it("agrees with Davis' manual: C6 CE A2 03 has E2 B4, and data with its CRC has 0", () => {
    expect(crc16Ccitt(Uint8Array.of(0xc6, 0xce, 0xa2, 0x03), 0, 4)).toBe(0xe2b4);
    expect(crc16Ccitt(Uint8Array.of(0xc6, 0xce, 0xa2, 0x03, 0xe2, 0xb4), 0, 6)).toBe(0);
  });
});

describe("crc16Arc", () => {
  it("has the published check value", () => {
    expect(crc16Arc(CHECK, 0, CHECK.length)).toBe(0xbb3d);
  });

  it("agrees with a DSMR telegram", () => {
    expect(crc16Arc(ascii(TELEGRAM), 0, TELEGRAM.length)).toBe(0x7ef9);
  });

  it("agrees with the example of SDI-12 V1.4 §4.4.12", () => {
    const crc = crc16Arc(ascii("0+3.14"), 0, 6);
    const letters = [crc >> 12, (crc >> 6) & 0x3f, crc & 0x3f].map((six) => String.fromCharCode(0x40 | six));
    expect(letters.join("")).toBe("OqZ");
  });
});

describe("crc8Maxim", () => {
  it("has the published check value", () => {
    expect(crc8Maxim(CHECK, 0, CHECK.length)).toBe(0xa1);
  });

  it("agrees with the scratchpad of a DS18B20", () => {
    expect(crc8Maxim(hex("72 01 4b 46 7f ff 0e 10 57"), 0, 8)).toBe(0x57);
  });
});

describe("sum8 and xor8", () => {
  it("sum8 agrees with an SDS011 frame and a TFmini frame", () => {
    expect(sum8(hex("AAC0D4043A0AA1601DAB"), 2, 8)).toBe(0x1d);
    expect(sum8(hex("59 59 E8 03 64 00 80 09 8A"), 0, 8)).toBe(0x8a);
  });

  it.each([
    ["GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,", 0x47],
    ["GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W", 0x6a],
    ["Q,229,002.74,M,00,", 0x16],
  ])("xor8 agrees with %s", (text, sum) => {
    expect(xor8(ascii(text), 0, text.length)).toBe(sum);
  });

  it("look at their range only", () => {
    const bytes = Uint8Array.of(1, 2, 4, 8, 0xff);
    expect([sum8(bytes, 1, 4), xor8(bytes, 1, 4), sum8(bytes, 2, 2)]).toEqual([14, 14, 0]);
  });
});
