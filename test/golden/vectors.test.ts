import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { driverApi } from "../../src/driver-api/api.ts";
import { formatAnswer, type GoldenFile, parseGolden } from "../../src/driver-api/golden.ts";
import { VECTORS, type Vector } from "./vectors.ts";

const DRIVERS = join(import.meta.dirname, "../../drivers");

function golden(name: string): GoldenFile {
  const [driver = "", file = ""] = name.split("/");
  const result = parseGolden(readFileSync(join(DRIVERS, driver, "golden", `${file}.txt`), "utf8"));
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file;
}

const bytesOf = ({ frame }: Vector): Buffer =>
  "hex" in frame ? Buffer.from(frame.hex.replaceAll(" ", ""), "hex") : Buffer.from(frame.text, "latin1");
const cameIn = ({ steps }: GoldenFile): Uint8Array =>
  Buffer.concat(steps.flatMap(({ event }) => (event.type === "bytes" || event.type === "reply" ? [event.data] : [])));
const wentOut = ({ steps }: GoldenFile): Uint8Array =>
  Buffer.concat(steps.flatMap(({ expected }) => expected.flatMap((answer) => (answer.call === "write" ? [answer.data] : []))));
const holds = (whole: Uint8Array, part: Buffer): boolean => Buffer.from(whole).includes(part);

const SUMS = {
  // The low byte of the sum of bytes 2 to 16, before the tail.
  sds011: (bytes: Buffer) => driverApi.sum8(bytes, 2, 17) === bytes[17],
  sum16: (bytes: Buffer) => bytes.subarray(0, -2).reduce((total, byte) => total + byte, 0) === bytes.readUInt16BE(bytes.length - 2),
  modbus: (bytes: Buffer) => driverApi.crc16Modbus(bytes, 0, bytes.length - 2) === bytes.readUInt16LE(bytes.length - 2),
} as const;

describe("vectors of the field", () => {
  it.each(VECTORS.map((vector) => [`${vector.section} ${vector.what}`, vector] as const))("%s", (_, vector) => {
    const { proof } = vector;
    const bytes = bytesOf(vector);
    if (proof.is === "sum") {
      expect(SUMS[proof.sum](bytes)).toBe(true);
      expect(proof.because).not.toBe("");
      return;
    }
    const file = golden(proof.golden);
    expect(holds(proof.is === "written" ? wentOut(file) : cameIn(file), bytes)).toBe(true);
    if (proof.is === "written") return;
    const answers = file.steps.flatMap(({ expected }) => expected.map(formatAnswer));
    expect(answers).toEqual(expect.arrayContaining([...proof.answers]));
  });

  it("cover every section of wire formats", () => {
    expect([...new Set(VECTORS.map(({ section }) => section))]).toEqual(Array.from({ length: 13 }, (_, index) => `C${index + 1}`));
  });

  it("stand in the golden cases of every driver whose devices have a published frame", () => {
    const drivers = new Set(VECTORS.flatMap(({ proof }) => (proof.is === "sum" ? [] : [proof.golden.split("/")[0]])));
    expect([...drivers].sort()).toEqual(
      ["a02yyuw", "davis-vantage", "ds18b20", "dsmr-p1", "mhz19", "nmea", "ops243", "pms5003"].concat([
        "sdi12",
        "sds011",
        "senseair-s8",
        "sps30",
        "tfmini",
        "windsonic",
        "wxt5xx",
      ]),
    );
  });
});
