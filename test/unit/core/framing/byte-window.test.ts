import { describe, expect, it } from "vitest";
import { ByteWindow } from "../../../../src/core/framing/byte-window.ts";
import { delimiterFramer } from "../../../../src/core/framing/delimiter-framer.ts";
import { headerFramer } from "../../../../src/core/framing/header-framer.ts";

const text = (window: ByteWindow): string => Buffer.from(window.bytes).toString("latin1").replaceAll("\0", "");

describe("a byte window", () => {
  it("zeroes what was consumed, and nothing else", () => {
    const window = new ByteWindow(16);
    window.fill(Buffer.from("abcdef"), 0);
    window.head = 4;
    window.wipe();
    expect(text(window)).toBe("ef");
    window.head = 6;
    window.wipe();
    expect(text(window)).toBe("");
  });

  it("leaves no second copy where it moves what is pending to its front", () => {
    const window = new ByteWindow(16);
    window.fill(Buffer.alloc(window.bytes.length, "x"), 0);
    window.head = window.bytes.length - 2;
    expect(window.fill(Buffer.from("yz"), 0)).toBe(2);
    expect(text(window)).toBe("xxyz");
  });

  it("zeroes what it forgot to when it starts over", () => {
    const window = new ByteWindow(16);
    window.fill(Buffer.from("abcdef"), 0);
    window.head = 6;
    window.fill(Buffer.from("z"), 0);
    expect(text(window)).toBe("z");
  });
});

describe("a frame is gone when its framer returns, also when the driver threw", () => {
  const header = { header: [0xaa], prefixBytes: 2, frameBytesMax: 8, frameBytes: () => 3, isSound: () => true };
  it.each([
    ["delimiter", delimiterFramer({ frameBytesMax: 8 }), Buffer.from("a1\nb2\nc")],
    ["header", headerFramer(header), Uint8Array.of(0xaa, 1, 2, 0xaa, 3, 4, 0xaa)],
  ])("%s", (_, framer, data) => {
    const seen: Uint8Array[] = [];
    const sink = {
      discard: () => {},
      frame(bytes: Uint8Array, start: number, length: number) {
        seen.push(bytes.subarray(start, start + length));
        if (seen.length === 2) throw new Error("a driver's bug");
      },
    };
    expect(() => framer.push(data, sink)).toThrow("a driver's bug");
    expect(seen.map((frame) => frame.every((byte) => byte === 0))).toEqual([true, true]);
    expect(framer.pendingBytes, "what came after it is pending still").toBe(1);
  });
});
