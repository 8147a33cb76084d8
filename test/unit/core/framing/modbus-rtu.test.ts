import { describe, expect, it } from "vitest";
import { crc16Modbus } from "../../../../src/core/framing/checksums.ts";
import { AnswerCutter, answerBytes, lineTiming } from "../../../../src/core/framing/modbus-rtu.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
// Sensor reference C6: a reply of one register, and exception 2.
const REPLY = "01 03 02 02 25 78 FF";
const EXCEPTION = "01 83 02 C0 F1";

/** What a cutter makes of pieces. */
function cut(pieces: readonly string[], question?: string, count = 1) {
  const found: string[] = [];
  const cutter = new AnswerCutter();
  const sink = {
    frame: (data: Uint8Array) => void found.push(Buffer.from(data).toString("hex")),
    discard: (reason: string, byteCount: number) => void found.push(`${reason} ${byteCount}`),
  };
  if (question !== undefined) cutter.asked(hex(question), { table: "holding", address: 0, count }, sink);
  for (const piece of pieces) cutter.push(hex(piece), sink);
  const { waiting } = cutter;
  cutter.reset(sink);
  return { found, waiting };
}
const plain = (text: string): string => text.replaceAll(" ", "").toLowerCase();

describe("answers on a Modbus line", () => {
  it.each([REPLY, EXCEPTION, "01 03 02 02 18 B9 2E"])("%s is one, whole or byte by byte", (text) => {
    expect(cut([text]).found).toEqual([plain(text)]);
    expect(cut(text.split(" ")).found).toEqual([plain(text)]);
  });

  it("are found behind garbage, which is counted", () => {
    expect(cut([`01 FF 00 55 ${REPLY}`]).found).toEqual(["noise 4", plain(REPLY)]);
    expect(cut([`01 03 ${REPLY}`]).found).toEqual(["noise 2", plain(REPLY)]);
    expect(cut([`${REPLY} ${EXCEPTION}`]).found).toEqual([plain(REPLY), plain(EXCEPTION)]);
  });

  it("with a wrong checksum are none", () => {
    expect(cut(["01 03 02 02 24 78 FF"])).toEqual({ found: ["checksum 7"], waiting: 7 });
  });

  it("that end in the middle wait, and are noise when nothing more can come", () => {
    expect(cut(["01 03 02 02"])).toEqual({ found: ["noise 4"], waiting: 4 });
  });

  it("are told from the question, which some adapters hear themselves", () => {
    const question = "01 03 00 00 00 01 84 0A";
    expect(cut([question, REPLY], question).found).toEqual(["echo 8", plain(REPLY)]);
    expect(cut([question.slice(0, 11), question.slice(12) + REPLY], question).found).toEqual(["echo 8", plain(REPLY)]);
  });

  it("are not cut short by data that looks like a frame", () => {
    // A whole reply of unit 1 within the registers of another; the checksum around it is computed here.
    const inner = hex(REPLY);
    const body = Uint8Array.from([1, 3, 2 * 20, ...inner, ...new Uint8Array(40 - inner.length)]);
    const crc = crc16Modbus(body, 0, body.length);
    const answer = Buffer.from([...body, crc & 0xff, crc >> 8]).toString("hex");
    const bytes = answer.match(/../g) ?? [];
    expect(cut(bytes, "01 03 00 00 00 14 45 C5", 20).found).toEqual([answer]);
    expect(cut(["FF", ...bytes], "01 03 00 00 00 14 45 C5", 20).found).toEqual(["noise 1", answer]);
  });

  it("do not make it hold more than two frames", () => {
    const { found, waiting } = cut(Array.from({ length: 100 }, () => "55".repeat(100)));
    expect(waiting).toBeLessThanOrEqual(512);
    expect(found.map((line) => Number(line.split(" ")[1])).reduce((sum, count) => sum + count, 0)).toBe(10_000);
  });
});

describe("a Modbus line", () => {
  it("is silent for 3.5 characters between frames, and never less than 1.75 ms", () => {
    expect(lineTiming({ baudRate: 9_600, parity: "even" }).gapMs).toBeCloseTo(4.01, 2);
    expect(lineTiming({ baudRate: 9_600 }).gapMs).toBeCloseTo(3.65, 2);
    expect(lineTiming({ baudRate: 1_200, parity: "none", stopBits: 2 }).gapMs).toBeCloseTo(32.08, 2);
    for (const baudRate of [38_400, 115_200, 921_600]) expect(lineTiming({ baudRate }).gapMs).toBe(1.75);
  });

  it("knows how long answers are", () => {
    expect(answerBytes({ table: "holding", address: 0, count: 1 })).toBe(7);
    expect(answerBytes({ table: "input", address: 0, count: 125 })).toBe(255);
    expect(answerBytes({ table: "coil", address: 0, count: 9 })).toBe(7);
  });
});
