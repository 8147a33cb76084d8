import { describe, expect, it } from "vitest";
import { pollGroups, type RegisterType, registerNumber, type WordOrder } from "../../../../src/core/framing/registers.ts";

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

describe("a number in registers", () => {
  it.each<[string, RegisterType, WordOrder, number]>([
    ["02 25", "u16", "abcd", 549],
    ["25 02", "u16", "badc", 549],
    ["25 02", "u16", "dcba", 549],
    ["FF 05", "s16", "abcd", -251],
    ["00 12 D6 87", "u32", "abcd", 1_234_567],
    ["D6 87 00 12", "u32", "cdab", 1_234_567],
    ["12 00 87 D6", "u32", "badc", 1_234_567],
    ["87 D6 12 00", "u32", "dcba", 1_234_567],
    ["FF FF FF FE", "s32", "abcd", -2],
    ["43 66 80 00", "f32", "abcd", 230.5],
    ["80 00 43 66", "f32", "cdab", 230.5],
    ["00 00 00 00 00 BC 61 4E", "u64", "abcd", 12_345_678],
    ["61 4E 00 BC 00 00 00 00", "u64", "cdab", 12_345_678],
    ["4E 61 BC 00 00 00 00 00", "u64", "dcba", 12_345_678],
    ["FF FF FF FF FF FF FF FF", "s64", "abcd", -1],
    ["40 0C 00 00 00 00 00 00", "f64", "abcd", 3.5],
  ])("%s as %s in order %s is %d", (text, type, order, value) => {
    expect(registerNumber(hex(text), 0, type, order)).toBe(value);
    expect(registerNumber(hex(`AA AA ${text}`), 1, type, order)).toBe(value);
  });

  it("that is not there is 0, and the reply is left as it was", () => {
    const reply = hex("01 02");
    expect(registerNumber(reply, 3, "u32")).toBe(0);
    expect(registerNumber(reply, 0, "u16", "dcba")).toBe(0x0201);
    expect(reply).toEqual(hex("01 02"));
  });
});

describe("poll groups", () => {
  const at = (table: "holding" | "input" | "coil", address: number, count = 1) => ({ registers: { table, address, count } });
  const ranges = (items: Parameters<typeof pollGroups>[0], gapMax = 2, countMax = 125) =>
    pollGroups(items, { gapMax, countMax }).map(({ registers: { table, address, count }, items: own }) => [
      table,
      address,
      count,
      own.length,
    ]);

  it("join neighbours, in any order they come", () => {
    expect(ranges([at("holding", 4, 2), at("holding", 0, 2), at("holding", 2)])).toEqual([["holding", 0, 6, 3]]);
  });

  it("read no more than so many registers in vain", () => {
    expect(ranges([at("holding", 0), at("holding", 3)])).toEqual([["holding", 0, 4, 2]]);
    expect(ranges([at("holding", 0), at("holding", 4)])).toEqual([
      ["holding", 0, 1, 1],
      ["holding", 4, 1, 1],
    ]);
  });

  it("stay within what one answer can carry, and within what the unit gives", () => {
    const all = Array.from({ length: 130 }, (_, address) => at("input", address));
    expect(ranges(all)).toEqual([
      ["input", 0, 125, 125],
      ["input", 125, 5, 5],
    ]);
    expect(ranges([at("input", 0, 2), at("input", 2, 2)], 2, 3)).toEqual([
      ["input", 0, 2, 1],
      ["input", 2, 2, 1],
    ]);
  });

  it("do not join tables, and read what stands at one place once", () => {
    expect(ranges([at("holding", 0), at("input", 0), at("holding", 0)])).toEqual([
      ["input", 0, 1, 1],
      ["holding", 0, 1, 2],
    ]);
  });
});
