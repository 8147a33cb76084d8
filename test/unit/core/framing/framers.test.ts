import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sum8, xor8 } from "../../../../src/core/framing/checksums.ts";
import { type DelimiterOptions, delimiterFramer } from "../../../../src/core/framing/delimiter-framer.ts";
import type { Framer, FramingFault } from "../../../../src/core/framing/framer.ts";
import { headerFramer } from "../../../../src/core/framing/header-framer.ts";
import { telegramFramer } from "../../../../src/core/framing/telegram-framer.ts";

type Found = { readonly frame: string } | { readonly discard: FramingFault; readonly byteCount: number };

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What a framer finds when it is fed these pieces, neighbouring discards with the same reason as one. */
function run(framer: Framer, pieces: readonly Uint8Array[], pendingBytesMax = Number.POSITIVE_INFINITY): Found[] {
  const found: Found[] = [];
  const sink = {
    frame: (bytes: Uint8Array, start: number, length: number) => found.push({ frame: hexOf(bytes.subarray(start, start + length)) }),
    discard: (reason: FramingFault, byteCount: number) => {
      expect(byteCount).toBeGreaterThan(0);
      const last = found.at(-1);
      if (last && "discard" in last && last.discard === reason)
        found[found.length - 1] = { ...last, byteCount: last.byteCount + byteCount };
      else found.push({ discard: reason, byteCount });
    },
  };
  for (const piece of pieces) {
    framer.push(piece, sink);
    expect(framer.pendingBytes).toBeLessThanOrEqual(pendingBytesMax);
  }
  return found;
}

/** `bytes` cut at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

const discardedBytes = (found: readonly Found[]): number => found.reduce((sum, each) => sum + ("discard" in each ? each.byteCount : 0), 0);

const SDS011_BYTES = 10;
const sds011 = (): Framer =>
  headerFramer({
    header: [0xaa, 0xc0],
    prefixBytes: 2,
    frameBytes: () => SDS011_BYTES,
    frameBytesMax: SDS011_BYTES,
    isSound: (bytes, start) => sum8(bytes, start + 2, start + 8) === bytes[start + 8] && bytes[start + 9] === 0xab,
  });

/** A made-up format with a length byte: `7E LEN data SUM8`, LEN up to 20. */
const LENGTH_BYTES_MAX = 23;
const lengthFramed = (): Framer =>
  headerFramer({
    header: [0x7e],
    prefixBytes: 2,
    frameBytes: (bytes, start) => (bytes[start + 1] ?? 0) + 3,
    frameBytesMax: LENGTH_BYTES_MAX,
    isSound: (bytes, start, end) => sum8(bytes, start, end - 1) === bytes[end - 1],
  });

const FRAME = hex("AAC0D4043A0AA1601DAB");
const frameOf = (bytes: Uint8Array): Found => ({ frame: hexOf(bytes) });

describe("headerFramer", () => {
  it("finds frames whose first byte also carries a value", () => {
    const masked = (): Framer =>
      headerFramer({
        header: [0xa0],
        firstMask: 0xf8,
        prefixBytes: 1,
        frameBytes: () => 3,
        frameBytesMax: 3,
        isSound: (bytes, start) => ((bytes[start + 1] ?? 0) | (bytes[start + 2] ?? 0)) < 0x80,
      });
    const first = hex("A0 01 02");
    const last = hex("A7 7F 00");
    expect(run(masked(), [hex("A8 9F 20"), first, last])).toEqual([{ discard: "noise", byteCount: 3 }, frameOf(first), frameOf(last)]);
    expect(run(masked(), [hex("A3 01"), last])).toEqual([
      { discard: "checksum", byteCount: 1 },
      { discard: "noise", byteCount: 1 },
      frameOf(last),
    ]);
  });

  it("finds a frame whole, byte by byte and behind garbage", () => {
    expect(run(sds011(), [FRAME])).toEqual([frameOf(FRAME)]);
    expect(run(sds011(), cut(FRAME, [1, 2, 3, 4, 5, 6, 7, 8, 9]))).toEqual([frameOf(FRAME)]);
    expect(run(sds011(), [hex("00 FF AA 55"), FRAME])).toEqual([{ discard: "noise", byteCount: 4 }, frameOf(FRAME)]);
  });

  it("finds the frame that starts inside a frame with a bad checksum", () => {
    expect(run(sds011(), [hex("AA C0 01 02 03"), FRAME])).toEqual([
      { discard: "checksum", byteCount: 1 },
      { discard: "noise", byteCount: 4 },
      frameOf(FRAME),
    ]);
  });

  it("waits for the rest of a header at the end of the bytes", () => {
    const framer = sds011();
    expect(run(framer, [hex("AA")])).toEqual([]);
    expect(framer.pendingBytes).toBe(1);
    expect(run(framer, [FRAME.subarray(1)])).toEqual([frameOf(FRAME)]);
  });

  it("refuses a length beyond the longest frame without waiting for it", () => {
    expect(run(lengthFramed(), [hex("7E FF 01")])).toEqual([
      { discard: "length", byteCount: 1 },
      { discard: "noise", byteCount: 2 },
    ]);
  });

  it("takes the longest frame that is allowed", () => {
    const frame = Uint8Array.from({ length: LENGTH_BYTES_MAX }, (_, at) => (at === 0 ? 0x7e : at === 1 ? LENGTH_BYTES_MAX - 3 : at));
    frame[LENGTH_BYTES_MAX - 1] = sum8(frame, 0, LENGTH_BYTES_MAX - 1);
    expect(run(lengthFramed(), [frame, frame])).toEqual([frameOf(frame), frameOf(frame)]);
  });

  it("gives up what is pending as stale when it is reset, and forgets it", () => {
    const framer = sds011();
    expect(run(framer, [FRAME.subarray(0, 7)])).toEqual([]);
    const discards: Found[] = [];
    const sink = { frame: () => {}, discard: (discard: FramingFault, byteCount: number) => discards.push({ discard, byteCount }) };
    framer.reset(sink);
    framer.reset(sink);
    expect(discards).toEqual([{ discard: "stale", byteCount: 7 }]);
    expect(framer.pendingBytes).toBe(0);
    expect(run(framer, [FRAME.subarray(7)])).toEqual([{ discard: "noise", byteCount: 3 }]);
  });
});

const LINE_BYTES_MAX = 12;
const lines = (options: Partial<DelimiterOptions> = {}): Framer => delimiterFramer({ frameBytesMax: LINE_BYTES_MAX, ...options });
const line = (text: string): Found => frameOf(ascii(text));

describe("delimiterFramer", () => {
  it("cuts lines and leaves the carriage return out", () => {
    expect(run(lines(), [ascii("one\r\ntwo\n\n\r\nrest")])).toEqual([line("one"), line("two"), line(""), line("")]);
  });

  it("keeps a carriage return that does not stand before the line feed", () => {
    expect(run(lines(), [ascii("a\rb\n")])).toEqual([line("a\rb")]);
  });

  it("leaves the bytes alone when another delimiter ends frames", () => {
    expect(run(lines({ delimiter: 0x03 }), [hex("41 0D 03 42 03")])).toEqual([frameOf(hex("410D")), frameOf(hex("42"))]);
  });

  it("takes the longest line and discards one byte more whole, up to its end", () => {
    const longest = "x".repeat(LINE_BYTES_MAX);
    expect(run(lines(), [ascii(`${longest}\n${longest}y\nshort\n`)])).toEqual([
      line(longest),
      { discard: "overflow", byteCount: LINE_BYTES_MAX + 2 },
      line("short"),
    ]);
  });

  it("does not collect a line without an end", () => {
    const framer = lines();
    const found = run(
      framer,
      Array.from({ length: 100 }, () => ascii("x".repeat(1000))),
      LINE_BYTES_MAX,
    );
    expect(discardedBytes(found) + framer.pendingBytes).toBe(100_000);
    expect(run(framer, [ascii("\nnext\n")])).toEqual([{ discard: "overflow", byteCount: 1 }, line("next")]);
  });
});

// Alphabets that are full of headers, delimiters and almost-frames: plain random bytes would rarely get past the first byte.
const headerBytes = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.constant([...FRAME]) },
    { weight: 2, arbitrary: fc.constant([0xaa, 0xc0]) },
    { weight: 1, arbitrary: fc.nat(9).map((end) => [...FRAME.subarray(0, end)]) },
    { weight: 2, arbitrary: fc.array(fc.constantFrom(0xaa, 0xc0, 0xab, 0x7e, 0x02, 0x00, 0x1d), { maxLength: 20 }) },
  ),
  { maxLength: 60 },
);
const lengthBytes = fc.array(
  fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((data) => {
      const body = [0x7e, data.length, ...data];
      return [...body, sum8(Uint8Array.from(body), 0, body.length)];
    }),
    fc.array(fc.constantFrom(0x7e, 0x01, 0x14, 0x15, 0xff), { maxLength: 20 }),
  ),
  { maxLength: 60 },
);
const lineBytes = fc.array(
  fc.oneof(
    fc.constantFrom([0x0a], [0x0d, 0x0a], [0x0d]),
    fc.nat(LINE_BYTES_MAX * 3).map((length) => new Array<number>(length).fill(0x78)),
  ),
  { maxLength: 60 },
);
/** Far more than the buffer of a framer holds, so that what is pending has to move. */
const many = fc.constantFrom(1, 15);

describe.each([
  { name: "headerFramer, fixed length", make: sds011, stream: headerBytes, endings: [0], pendingMax: SDS011_BYTES - 1 },
  { name: "headerFramer, length byte", make: lengthFramed, stream: lengthBytes, endings: [0], pendingMax: LENGTH_BYTES_MAX - 1 },
  { name: "delimiterFramer", make: lines, stream: lineBytes, endings: [1, 2], pendingMax: LINE_BYTES_MAX },
])("$name", ({ make, stream, endings, pendingMax }) => {
  const arbitrary = fc.tuple(stream, many, fc.array(fc.nat(), { maxLength: 30 }));
  const bytesOf = (parts: readonly (readonly number[])[], times: number): Uint8Array =>
    Uint8Array.from(new Array(times).fill(parts.flat()).flat());

  it("puts every byte into a frame, a discard, or leaves it pending; and never holds more than one frame", () => {
    fc.assert(
      fc.property(arbitrary, ([parts, times, places]) => {
        const bytes = bytesOf(parts, times);
        const framer = make();
        const found = run(framer, cut(bytes, places), pendingMax);
        const frames = found.flatMap((each) => ("frame" in each ? [each.frame] : []));
        const framed = frames.reduce((sum, frame) => sum + frame.length / 2, 0);
        // A text frame is reported without its ending of one or two bytes.
        const rest = bytes.length - framed - discardedBytes(found) - framer.pendingBytes;
        expect(rest).toBeGreaterThanOrEqual(frames.length * Math.min(...endings));
        expect(rest).toBeLessThanOrEqual(frames.length * Math.max(...endings));
      }),
    );
  });

  it("finds the same however the bytes were cut", () => {
    fc.assert(
      fc.property(arbitrary, ([parts, times, places]) => {
        const bytes = bytesOf(parts, times);
        const whole = run(make(), [bytes]);
        expect(run(make(), cut(bytes, places))).toEqual(whole);
        expect(
          run(
            make(),
            Array.from(bytes, (byte) => Uint8Array.of(byte)),
          ),
        ).toEqual(whole);
      }),
    );
  });
});

const TELEGRAM_BYTES_MAX = 24;
/** `$`, text, `*`, the exclusive or of the text in two hex digits, line end. */
const nmea = (): Framer =>
  telegramFramer({
    first: 0x24,
    closing: [0x2a],
    last: 0x0a,
    frameBytesMax: TELEGRAM_BYTES_MAX,
    isSound: (bytes, start, end) => {
      const star = bytes.indexOf(0x2a, start);
      const sum = Number.parseInt(Buffer.from(bytes.subarray(star + 1, end - 2)).toString(), 16);
      return xor8(bytes, start + 1, star) === sum;
    },
  });
/** As DSMR has it: the end is a line of its own, and `!` elsewhere is none. */
const lineClosed = (): Framer =>
  telegramFramer({ first: 0x2f, closing: [0x0a, 0x21], last: 0x0a, frameBytesMax: TELEGRAM_BYTES_MAX, isSound: () => true });

describe("telegramFramer", () => {
  const AB = ascii("$AB*03\r\n");

  it("finds a telegram whole, byte by byte and behind garbage", () => {
    expect(run(nmea(), [AB])).toEqual([frameOf(AB)]);
    expect(run(nmea(), cut(AB, [1, 2, 3, 4, 5, 6, 7]))).toEqual([frameOf(AB)]);
    expect(run(nmea(), [ascii("B*03\r\n"), AB, AB])).toEqual([{ discard: "noise", byteCount: 6 }, frameOf(AB), frameOf(AB)]);
  });

  it.each([
    ["cut short", "$A"],
    ["cut in its checksum", "$AB*0"],
    ["of which one byte is wrong", "$AC*03\r\n"],
    ["that is a first byte alone", "$"],
  ])("finds the telegram that follows one %s", (_, broken) => {
    const found = run(nmea(), [ascii(broken), AB]);
    expect(found.at(-1)).toEqual(frameOf(AB));
    expect(discardedBytes(found)).toBe(broken.length);
  });

  it("takes closing bytes only whole and in order, wherever they are cut", () => {
    const telegram = ascii("/x!y\n\n1(!)\r\n!7E\r\n");
    for (let at = 0; at <= telegram.length; at++) expect(run(lineClosed(), cut(telegram, [at]))).toEqual([frameOf(telegram)]);
  });

  it("takes a telegram of the greatest length and gives up one that is a byte longer", () => {
    const longest = ascii(`/${"x".repeat(TELEGRAM_BYTES_MAX - 4)}\n!\n`);
    const longer = ascii(`/${"x".repeat(TELEGRAM_BYTES_MAX - 3)}\n!\n`);
    expect(longest.length).toBe(TELEGRAM_BYTES_MAX);
    expect(run(lineClosed(), [longest])).toEqual([frameOf(longest)]);
    expect(run(lineClosed(), [longer, longest])).toEqual([
      { discard: "overflow", byteCount: 1 },
      { discard: "noise", byteCount: TELEGRAM_BYTES_MAX },
      frameOf(longest),
    ]);
  });

  it("accounts for every byte and finds the same however the bytes are cut", () => {
    const letter = fc.constantFrom("$AB*03\r\n", "$", "*", "\n", "A", "\r\n", "$AB*04\r\n", "0", "3", "$AB");
    fc.assert(
      fc.property(fc.array(letter, { maxLength: 40 }), fc.array(fc.nat(), { maxLength: 12 }), (parts, places) => {
        const bytes = ascii(parts.join(""));
        const framer = nmea();
        const found = run(framer, cut(bytes, places), TELEGRAM_BYTES_MAX);
        const framed = found.reduce((sum, each) => sum + ("frame" in each ? each.frame.length / 2 : 0), 0);
        expect(framed + discardedBytes(found) + framer.pendingBytes).toBe(bytes.length);
        expect(found).toEqual(run(nmea(), [bytes]));
      }),
    );
  });

  it("gives up what is pending when the port closes, and starts afresh", () => {
    const framer = nmea();
    run(framer, [ascii("$A*")]);
    const discards: [FramingFault, number][] = [];
    framer.reset({ frame: () => expect.unreachable(), discard: (reason, count) => discards.push([reason, count]) });
    expect(discards).toEqual([["stale", 3]]);
    expect(run(framer, [AB])).toEqual([frameOf(AB)]);
  });
});
