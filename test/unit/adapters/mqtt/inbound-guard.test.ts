import fc from "fast-check";
import { generate, type Packet } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { InboundGuard } from "../../../../src/adapters/mqtt/inbound-guard.ts";

const MAX = 65_536;

/** A PUBLISH at QoS 0 whose whole packet has this many bytes. */
function publishOf(packetBytes: number): Buffer {
  for (const headerBytes of [2, 3, 4, 5]) {
    const payload = Buffer.alloc(Math.max(0, packetBytes - headerBytes - 3));
    const packet = generate({ cmd: "publish", topic: "a", payload, qos: 0, dup: false, retain: false });
    if (packet.length === packetBytes) return packet;
  }
  throw new Error(`no PUBLISH has ${packetBytes} bytes`);
}

const ordinary: readonly Packet[] = [
  { cmd: "connack", sessionPresent: false, reasonCode: 0, properties: { receiveMaximum: 20 } },
  { cmd: "puback", messageId: 1, reasonCode: 0 },
  { cmd: "puback", messageId: 2, reasonCode: 0x87, properties: { reasonString: "x".repeat(200) } },
  { cmd: "pingresp" },
  { cmd: "publish", topic: "a", payload: "b", qos: 0, dup: false, retain: true },
  { cmd: "publish", topic: "a", payload: "b".repeat(20_000), qos: 1, messageId: 3, dup: true, retain: false },
  { cmd: "disconnect", reasonCode: 0x8b },
];
const ordinaryBytes = Buffer.concat(ordinary.map((packet) => generate(packet, { protocolVersion: 5 })));

describe("the inbound guard", () => {
  it("lets through what a broker sends to a publisher, however it is cut into chunks", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1 }), (sizes) => {
        const guard = new InboundGuard(MAX);
        for (let at = 0, turn = 0; at < ordinaryBytes.length; turn++) {
          const end = at + (sizes[turn % sizes.length] ?? 1);
          expect(guard.check(ordinaryBytes.subarray(at, end))).toBeNull();
          at = end;
        }
      }),
    );
  });

  it("tells of a PUBACK whose reason is not legal, for which message, however it is cut", () => {
    const bytes = Buffer.concat([ordinaryBytes, Buffer.from([0x40, 3, 0x12, 0x34, 0x95, 0x40, 4, 0xff, 0xff, 0x01, 0x00]), ordinaryBytes]);
    for (const size of [1, 2, 3, 7, bytes.length]) {
      const told: (readonly [number, number])[] = [];
      const guard = new InboundGuard(MAX, (messageId, reasonCode) => told.push([messageId, reasonCode]));
      for (let at = 0; at < bytes.length; at += size) expect(guard.check(bytes.subarray(at, at + size))).toBeNull();
      expect(told).toEqual([
        [0x1234, 0x95],
        [0xffff, 0x01],
      ]);
    }
  });

  it("allows a packet of exactly the limit and refuses one byte more", () => {
    expect(new InboundGuard(MAX).check(publishOf(MAX))).toBeNull();
    expect(new InboundGuard(MAX).check(publishOf(MAX + 1))).toBe("a packet of 65537 bytes, 65536 are allowed");
  });

  it("refuses by the header alone, in whatever chunk its last byte comes", () => {
    const header = [0x30, 0x80, 0xa0, 0xcd, 0x5f]; // 200 MB
    const guard = new InboundGuard(MAX);
    const verdicts = header.map((byte) => guard.check(Uint8Array.of(byte)));
    expect(verdicts.slice(0, -1)).toEqual([null, null, null, null]);
    expect(verdicts.at(-1)).toMatch(/^a packet of 200\d{6} bytes/);
    expect(new InboundGuard(MAX).check(Uint8Array.from(header))).toBe(verdicts.at(-1));
  });

  it("refuses a length of five bytes", () => {
    expect(new InboundGuard(MAX).check(Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01))).toBe("a length of more than 4 bytes");
  });

  it("refuses each type and flag that a publisher has no use for", () => {
    const refused: number[] = [];
    for (let byte = 0; byte < 256; byte++) if (new InboundGuard(MAX).check(Uint8Array.of(byte, 0x00)) !== null) refused.push(byte);
    const allowed = [0x20, 0x30, 0x31, 0x32, 0x33, 0x38, 0x39, 0x3a, 0x3b, 0x40, 0xd0, 0xe0];
    expect(refused).toHaveLength(256 - allowed.length);
    for (const byte of allowed) expect(refused).not.toContain(byte);
  });

  it("finds a bad packet behind good ones in one chunk", () => {
    const chunk = Buffer.concat([ordinaryBytes, Buffer.from("HTTP/1.1 400 Bad Request")]);
    expect(new InboundGuard(MAX).check(chunk)).toBe("a packet that starts with 0x48 is not allowed");
  });
});
