import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAnycast } from "../../../../src/core/residency/anycast.ts";
import { block, isIn, kindOf, parseAddress } from "../../../../src/core/residency/ip-address.ts";
import { addressKind } from "../../../../src/core/residency/verdict.ts";

describe("an IP address", () => {
  it("is read whenever Node reads it, and never else", () => {
    const near = fc.stringMatching(/^[0-9a-f:.]{1,24}$/);
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), near), (text) => {
        expect(parseAddress(text) !== null).toBe(isIPv4(text) || isIPv6(text));
      }),
      { numRuns: 5_000 },
    );
  });

  it("is the IPv4 address that it wraps", () => {
    for (const text of ["::ffff:116.203.1.1", "::ffff:74cb:101", "64:ff9b::116.203.1.1", "64:ff9b::74cb:101"]) {
      expect(parseAddress(text)?.bytes, text).toEqual([116, 203, 1, 1]);
    }
    expect(addressKind("::ffff:127.0.0.1")).toBe("loopback");
    expect(addressKind("64:ff9b::10.0.0.1")).toBe("private");
  });

  it.each([
    ["127.0.0.1", "loopback"],
    ["127.255.255.254", "loopback"],
    ["128.0.0.1", "public"],
    ["::1", "loopback"],
    ["::2", "public"],
    ["10.255.0.1", "private"],
    ["11.0.0.1", "public"],
    ["172.15.255.255", "public"],
    ["172.16.0.1", "private"],
    ["172.31.255.255", "private"],
    ["172.32.0.1", "public"],
    ["100.64.0.1", "private"],
    ["100.128.0.1", "public"],
    ["fd12:3456::1", "private"],
    ["fe80::1%eth0", "private"],
    ["0.0.0.0", "unusable"],
    ["::", "unusable"],
    ["203.0.113.7", "unusable"],
    ["239.1.1.1", "unusable"],
    ["2001:db8::1", "unusable"],
    ["not an address", "unusable"],
    ["116.203.1.1", "public"],
    ["2a01:4f8::1", "public"],
  ])("%s is %s", (text, kind) => {
    expect(addressKind(text)).toBe(kind);
  });

  it("is in a block by its first bits alone", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV4(), fc.integer({ min: 0, max: 32 }), (one, other, bits) => {
        const number = (text: string) => text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
        const size = 2 ** (32 - bits);
        const expected = Math.floor(number(one) / size) === Math.floor(number(other) / size);
        const address = parseAddress(one);
        expect(address !== null && isIn(address, block(`${other}/${bits}`))).toBe(expected);
      }),
    );
  });

  it("is known to be answered from many countries", () => {
    for (const text of ["1.1.1.1", "1.0.0.1", "2606:4700:4700::1111", "141.101.64.1", "8.8.8.8", "9.9.9.9", "::ffff:1.1.1.1"]) {
      const address = parseAddress(text);
      expect(address !== null && isAnycast(address), text).toBe(true);
    }
    for (const text of ["1.1.2.1", "116.203.1.1", "2a01:4f8::1"]) {
      const address = parseAddress(text);
      expect(address !== null && isAnycast(address), text).toBe(false);
      expect(address !== null && kindOf(address)).toBe("public");
    }
  });
});
