import { describe, expect, it } from "vitest";
import { connackLimits, connackReason } from "../../../../src/adapters/mqtt/connack.ts";

describe("the reason of a CONNACK", () => {
  it.each([
    [{ returnCode: 0 }, 0],
    [{ returnCode: 1 }, 0x84],
    [{ returnCode: 2 }, 0x85],
    [{ returnCode: 3 }, 0x88],
    [{ returnCode: 4 }, 0x86],
    [{ returnCode: 5 }, 0x87],
    [{ returnCode: 6 }, 0x80],
    [{ reasonCode: 0 }, 0],
    [{ reasonCode: 0x8a }, 0x8a],
    [{}, 0x80],
  ])("reads %o as %i", (packet, reason) => expect(connackReason(packet)).toBe(reason));

  it("understands a broker that answers MQTT 5 with a return code of MQTT 3.1.1", () => {
    expect(connackReason({ reasonCode: 1 })).toBe(0x84);
  });
});

describe("the limits in a CONNACK", () => {
  it("are the highest that MQTT has where the broker names none", () => {
    expect(connackLimits({})).toEqual({ receiveMaximum: 65_535, packetBytesMax: null });
  });

  it("are those of the broker", () => {
    expect(connackLimits({ properties: { receiveMaximum: 20, maximumPacketSize: 1_000 } })).toEqual({
      receiveMaximum: 20,
      packetBytesMax: 1_000,
    });
  });

  it.each([{ receiveMaximum: 0 }, { maximumPacketSize: 0 }, { receiveMaximum: [20, 30] }, { maximumPacketSize: Number.NaN }])(
    "are not legal: %o",
    (properties) => expect(connackLimits({ properties })).toBeNull(),
  );
});
