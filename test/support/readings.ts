import { ChunkWriter, MARK } from "../../src/core/reading/record.ts";
import { type WindowReadings, WindowTable } from "../../src/core/window/readings.ts";

/** A record as a test writes it down. */
export interface PlainRecord {
  readonly atMs?: number;
  readonly value?: number;
  readonly coversMs?: number;
  readonly cell?: number;
  readonly marks?: number;
}

/** The records of one stream of one window, through the same chunks as in the node. */
export function readingsOf(records: readonly PlainRecord[]): WindowReadings {
  const writer = new ChunkWriter(Math.max(1, records.length));
  for (const { atMs = 0, value = 0, coversMs = 0, cell = 0, marks = MARK.sample } of records) {
    writer.add(0, atMs, value, coversMs, cell, marks);
  }
  const table = new WindowTable(1);
  table.take(Uint8Array.from(writer.bytes()));
  table.scatter(0);
  return table.of(0);
}
