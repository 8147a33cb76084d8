import { describe, expect, it } from "vitest";
import { ChunkReader, ChunkWriter, MARK, RECORD_BYTES } from "../../../../src/core/reading/record.ts";

describe("ChunkWriter", () => {
  it("holds whole records of 32 bytes and knows from when to when", () => {
    const writer = new ChunkWriter(2);
    expect(writer.bytes()).toHaveLength(0);
    writer.add(0, 20.5, 1, 0, 0, 0);
    writer.add(1, 10.25, 2, 0, 0, 0);
    expect(writer.bytes()).toHaveLength(2 * RECORD_BYTES);
    expect([writer.fromMs, writer.toMs]).toEqual([10.25, 20.5]);
  });

  it("zeroes what it held when it is cleared", () => {
    const writer = new ChunkWriter(2);
    writer.add(1, 2, 3, 4, 5, 6);
    const held = writer.bytes();
    writer.clear();
    expect([...held]).toEqual(new Array(RECORD_BYTES).fill(0));
    expect(writer.count).toBe(0);
    expect(writer.fromMs).toBe(Number.POSITIVE_INFINITY);
  });

  it("is not made without room", () => {
    expect(() => new ChunkWriter(0)).toThrow(/bug/);
  });
});

describe("ChunkReader", () => {
  it("reads back every field at its limits", () => {
    const writer = new ChunkWriter(2);
    writer.add(0xffff_ffff, 1e12 + 0.25, -0.1, 3_600_000, 0xffff, 0x7fff);
    writer.add(0, 0, Number.MAX_VALUE, 0, 0, MARK.sample | MARK.stepped);
    const reader = new ChunkReader(writer.bytes());
    const fields = [0, 1].map((index) => [
      reader.stream(index),
      reader.atMs(index),
      reader.value(index),
      reader.coversMs(index),
      reader.cell(index),
      reader.marks(index),
    ]);
    expect(fields).toEqual([
      [0xffff_ffff, 1e12 + 0.25, -0.1, 3_600_000, 0xffff, 0x7fff],
      [0, 0, Number.MAX_VALUE, 0, 0, 17],
    ]);
  });

  it.each([
    ["a Uint8Array", (bytes: Uint8Array) => bytes],
    ["a Buffer, as SQLite gives it back", (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)],
  ])("reads %s that does not start on an 8-byte boundary", (_, form) => {
    const writer = new ChunkWriter(1);
    writer.add(3, 1, 42, 0, 0, 1);
    const memory = new Uint8Array(RECORD_BYTES + 8);
    memory.set(writer.bytes(), 3);
    const reader = new ChunkReader(form(memory.subarray(3, 3 + RECORD_BYTES)));
    expect([reader.stream(0), reader.value(0)]).toEqual([3, 42]);
  });

  it("refuses half a record", () => {
    expect(() => new ChunkReader(new Uint8Array(RECORD_BYTES + 1))).toThrow(/bug/);
  });
});
