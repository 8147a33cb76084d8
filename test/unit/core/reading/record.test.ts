import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChunkReader, ChunkWriter, MARK, RECORD_BYTES } from "../../../../src/core/reading/record.ts";

const record = fc.record({
  stream: fc.integer({ min: 0, max: 0xffff_ffff }),
  atMs: fc.double({ noNaN: true }),
  value: fc.double({ noNaN: true }),
  coversMs: fc.double({ min: 0, noNaN: true }),
  cell: fc.integer({ min: 0, max: 0xffff }),
  marks: fc.integer({ min: 0, max: 0xffff }),
});

type Fields = typeof record extends fc.Arbitrary<infer T> ? T : never;

function written(records: readonly Fields[]): ChunkWriter {
  const writer = new ChunkWriter(Math.max(1, records.length));
  for (const { stream, atMs, value, coversMs, cell, marks } of records) writer.add(stream, atMs, value, coversMs, cell, marks);
  return writer;
}

function read(data: Uint8Array): Fields[] {
  const reader = new ChunkReader(data);
  return Array.from({ length: reader.count }, (_, at) => ({
    stream: reader.stream(at),
    atMs: reader.atMs(at),
    value: reader.value(at),
    coversMs: reader.coversMs(at),
    cell: reader.cell(at),
    marks: reader.marks(at),
  }));
}

describe("a chunk of records", () => {
  it("reads back what was written, to the bit", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 50 }), (records) => {
        expect(read(written(records).bytes())).toEqual(records);
      }),
    );
  });

  it("reads bytes that start anywhere in a buffer", () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat({ max: 15 }), (records, offset) => {
        const bytes = written(records).bytes();
        const shifted = new Uint8Array(offset + bytes.length);
        shifted.set(bytes, offset);
        expect(read(shifted.subarray(offset))).toEqual(records);
      }),
    );
  });

  it("keeps cell and marks apart at their limits", () => {
    const [first] = read(written([{ stream: 1, atMs: 0, value: 0, coversMs: 0, cell: 0xffff, marks: MARK.stepped }]).bytes());
    expect(first).toMatchObject({ cell: 0xffff, marks: MARK.stepped });
  });

  it("knows the earliest and the latest time, in whatever order records come", () => {
    const writer = new ChunkWriter(3);
    for (const atMs of [20, 10, 30]) writer.add(1, atMs, 0, 0, 0, 0);
    expect([writer.fromMs, writer.toMs]).toEqual([10, 30]);
  });

  it("leaves nothing of its records behind when it is cleared", () => {
    const writer = new ChunkWriter(2);
    writer.add(7, 1, 42, 3, 4, MARK.sample);
    const view = writer.bytes();
    writer.clear();
    expect([...view]).toEqual(new Array(RECORD_BYTES).fill(0));
    expect([writer.count, writer.bytes().length, writer.fromMs, writer.toMs]).toEqual([0, 0, Infinity, -Infinity]);
  });

  it("refuses bytes that are not whole records", () => {
    expect(() => new ChunkReader(new Uint8Array(RECORD_BYTES + 1))).toThrow("whole records");
  });
});
