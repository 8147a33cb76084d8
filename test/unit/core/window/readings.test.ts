import { describe, expect, it } from "vitest";
import { ChunkWriter } from "../../../../src/core/reading/record.ts";
import { WindowTable } from "../../../../src/core/window/readings.ts";

function chunk(...records: readonly (readonly [stream: number, value: number])[]): Uint8Array {
  const writer = new ChunkWriter(records.length);
  for (const [stream, value] of records) writer.add(stream, value * 10, value, value * 100, value, 1);
  return Uint8Array.from(writer.bytes());
}

function tableOf(streams: number, ...chunks: readonly Uint8Array[]): WindowTable {
  const table = new WindowTable(streams);
  for (const data of chunks) table.take(data);
  for (let index = 0; index < table.chunks; index++) table.scatter(index);
  return table;
}

describe("WindowTable", () => {
  it("sorts interleaved records by stream and keeps their order", () => {
    const table = tableOf(3, chunk([2, 1], [0, 2], [2, 3]), chunk([0, 4], [2, 5]));
    expect([...table.of(0).value]).toEqual([2, 4]);
    expect([...table.of(2).value]).toEqual([1, 3, 5]);
    expect([...table.of(2).atMs]).toEqual([10, 30, 50]);
    expect([...table.of(2).coversMs]).toEqual([100, 300, 500]);
    expect([...table.of(2).cell]).toEqual([1, 3, 5]);
    expect(table.total).toBe(5);
  });

  it("has an empty answer for a stream without records, known or not", () => {
    const table = tableOf(2, chunk([0, 1]));
    expect(table.of(1).count).toBe(0);
    expect(table.of(7).count).toBe(0);
    expect(new WindowTable(1).of(0).count).toBe(0);
  });

  it("passes over records of a stream that is not in the config any more", () => {
    const table = tableOf(1, chunk([0, 1], [5, 2], [0, 3]));
    expect([...table.of(0).value]).toEqual([1, 3]);
  });

  it("zeroes its own copies and the chunks that it was given", () => {
    const data = chunk([0, 7], [1, 8]);
    const table = tableOf(2, data);
    const seen = table.of(1);
    table.wipe();
    expect([...data]).toEqual(new Array(64).fill(0));
    expect([...seen.value, ...seen.atMs, ...seen.coversMs, ...seen.cell, ...seen.marks]).toEqual([0, 0, 0, 0, 0]);
  });
});
