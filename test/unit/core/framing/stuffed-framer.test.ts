import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sum8 } from "../../../../src/core/framing/checksums.ts";
import type { Framer, FramingFault } from "../../../../src/core/framing/framer.ts";
import { stuffedFramer } from "../../../../src/core/framing/stuffed-framer.ts";

const FLAG = 0x7e;
const ESCAPE = 0x7d;
const MASK = 0x20;
const FRAME_BYTES_MAX = 45;

/** SHDLC as the SPS30 speaks it: the last byte makes the sum 0xFF. */
const shdlc = (): Framer =>
  stuffedFramer({
    flag: FLAG,
    escape: ESCAPE,
    mask: MASK,
    frameBytesMin: 5,
    frameBytesMax: FRAME_BYTES_MAX,
    isSound: (bytes, start, end) => sum8(bytes, start, end) === 0xff,
  });

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

function run(framer: Framer, pieces: readonly Uint8Array[]): string[] {
  const found: string[] = [];
  const sink = {
    frame: (bytes: Uint8Array, start: number, length: number) => found.push(hexOf(bytes.subarray(start, start + length))),
    discard: (reason: FramingFault, byteCount: number) => found.push(`${reason} ${byteCount}`),
  };
  for (const piece of pieces) {
    framer.push(piece, sink);
    expect(framer.pendingBytes).toBeLessThanOrEqual(2 * FRAME_BYTES_MAX);
  }
  return found;
}

const withSum = (bytes: Uint8Array): Uint8Array => Uint8Array.from([...bytes, 0xff - sum8(bytes, 0, bytes.length)]);
const stuffed = (bytes: Uint8Array): Uint8Array =>
  Uint8Array.from([
    FLAG,
    ...[...bytes].flatMap((byte) => ([FLAG, ESCAPE, 0x11, 0x13].includes(byte) ? [ESCAPE, byte ^ MASK] : [byte])),
    FLAG,
  ]);

describe("stuffedFramer", () => {
  it("takes out the stuffing of an answer of a real SPS30, whole and byte by byte", () => {
    // raspberrypi.stackexchange.com question 137657.
    const answer = hex("7E 00 7D 31 43 00 AB 7E");
    expect(run(shdlc(), [answer])).toEqual(["00114300ab"]);
    expect(
      run(
        shdlc(),
        [...answer].map((byte) => Uint8Array.of(byte)),
      ),
    ).toEqual(["00114300ab"]);
  });

  it("takes frames that share a flag, and flags without anything between them", () => {
    expect(run(shdlc(), [hex("7E 00 00 00 00 FF 7E 00 03 00 00 FC 7E 7E 7E")])).toEqual(["00000000ff", "00030000fc"]);
  });

  it("counts each byte between flags that is no frame, with the flag behind it", () => {
    expect(run(shdlc(), [hex("FE 7E 00 03 00 00 FB 7E 00 03 7E")])).toEqual(["length 2", "checksum 6", "length 3"]);
    expect(run(shdlc(), [hex("7E 00 03 00 00 FC 7D 7E")])).toEqual(["length 7"]);
  });

  it("takes the longest frame when every byte of it is stuffed, and not one byte more", () => {
    const longest = withSum(new Uint8Array(FRAME_BYTES_MAX - 1).fill(FLAG));
    const tooLong = withSum(new Uint8Array(FRAME_BYTES_MAX).fill(1));
    expect(run(shdlc(), [stuffed(longest)])).toEqual([hexOf(longest)]);
    expect(run(shdlc(), [stuffed(tooLong), stuffed(longest)])).toEqual([`length ${FRAME_BYTES_MAX + 2}`, hexOf(longest)]);
  });

  it("gives up a frame without an end at twice the longest, and finds the next", () => {
    const framer = shdlc();
    const found = run(framer, [new Uint8Array(200).fill(1), hex("7E 00 00 00 00 FF 7E")]);
    expect(found.at(-1)).toBe("00000000ff");
    expect(found.slice(0, -1)).toEqual(["overflow 200", "overflow 1"]);
  });

  it("gives up what is pending as stale when it is reset", () => {
    const framer = shdlc();
    run(framer, [hex("7E 00 03")]);
    const discards: string[] = [];
    framer.reset({ frame: () => {}, discard: (reason, byteCount) => discards.push(`${reason} ${byteCount}`) });
    expect(discards).toEqual(["stale 2"]);
    expect(run(framer, [hex("00 00 FC 7E")])).toEqual(["length 4"]);
  });

  it("keeps nothing of a frame after the call, not even of a sink that throws", () => {
    for (const fails of [false, true]) {
      let kept = new Uint8Array();
      const framer = shdlc();
      const sink = {
        frame: (bytes: Uint8Array) => {
          kept = bytes as Uint8Array<ArrayBuffer>;
          expect(bytes.some((byte) => byte !== 0)).toBe(true);
          if (fails) throw new Error("a driver's bug");
        },
        discard: () => {},
      };
      const push = (): void => framer.push(hex("7E 00 03 00 00 FC 7E"), sink);
      if (fails) expect(push).toThrow("a driver's bug");
      else push();
      expect(kept.length).toBe(FRAME_BYTES_MAX);
      expect(kept.every((byte) => byte === 0)).toBe(true);
    }
  });

  it("finds what was stuffed, whatever it was and wherever it is cut", () => {
    const data = fc.uint8Array({ minLength: 4, maxLength: FRAME_BYTES_MAX - 1 });
    fc.assert(
      fc.property(fc.array(data, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 20 }), (frames, pieceBytes) => {
        const sound = frames.map(withSum);
        const wire = Uint8Array.from(sound.flatMap((frame) => [...stuffed(frame)]));
        const pieces = Array.from({ length: Math.ceil(wire.length / pieceBytes) }, (_, at) =>
          wire.subarray(at * pieceBytes, (at + 1) * pieceBytes),
        );
        expect(run(shdlc(), pieces)).toEqual(sound.map(hexOf));
      }),
    );
  });
});
