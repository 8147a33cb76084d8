import { crc32 } from "node:zlib";
import { Message, restoreMessage } from "../../core/anonymise/message.ts";
import { assert } from "../../core/assert.ts";
import type { NewRow, OutboxRow } from "../../ports/outbox.ts";

/** A row of the table `outbox`, as SQLite gives it back: after damage any column can hold anything. */
export interface StoredRow {
  readonly position: number;
  readonly seq: number | null;
  readonly madeMs: number;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: number;
  readonly expirySeconds: number | null;
  readonly endBytes: number;
  readonly crc: number;
}

/** What a message counts for in limits and totals: topic and payload bytes. */
export function messageBytes({ message }: NewRow): number {
  return Buffer.byteLength(message.topic) + message.payload.byteLength;
}

/** The columns of a row, in the order of the table. */
export type StoredColumns = readonly [number, number | null, number, string, Uint8Array, number, number | null, number, number];

/** The row to store for a message, with its CRC. What is not sealed gets none: nothing else would ever be restored. */
export function storedColumns(row: NewRow, position: number, madeMs: number, endBytes: number): StoredColumns {
  assert(Message.isSealed(row.message), "only a sealed message waits in the outbox");
  const { topic, payload, retain, expirySeconds } = row.message;
  const kept = retain ? 1 : 0;
  const crc = crcOf({ position, seq: row.seq, madeMs, topic, payload, retain: kept, expirySeconds, endBytes });
  return [position, row.seq, madeMs, topic, payload, kept, expirySeconds, endBytes, crc];
}

/** The message of a stored row, or null when it is not what was written. */
export function restoredRow(row: StoredRow): OutboxRow | null {
  if (typeof row.topic !== "string" || !(row.payload instanceof Uint8Array) || crcOf(row) !== row.crc) return null;
  const { position, seq, topic, payload, retain, expirySeconds } = row;
  return { position, seq, message: restoreMessage({ topic, payload, retain: retain === 1, expirySeconds }) };
}

/** CRC-32 (zlib's) over every column but itself. A third of all damage passes SQLite's own check (reliability reference §1.5). */
function crcOf(row: Omit<StoredRow, "crc">): number {
  const head = `${row.position} ${row.seq} ${row.madeMs} ${row.retain} ${row.expirySeconds} ${row.endBytes} ${row.topic}\n`;
  return crc32(row.payload, crc32(head));
}

/** A high-water mark: every row up to `position` is settled. */
export interface HighWater {
  readonly position: number;
  /** Last number at or below `position`, 0 before the first. */
  readonly seq: number;
  /** `endBytes` at `position`. */
  readonly bytes: number;
}

/** CRC-32 of the row `standing`. */
export const highWaterCrc = ({ position, seq, bytes }: HighWater): number => crc32(`${position} ${seq} ${bytes}`);
