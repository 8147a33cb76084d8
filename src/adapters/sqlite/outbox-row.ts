import { crc32 } from "node:zlib";
import { Message, restoreMessage } from "../../core/anonymise/message.ts";
import { assert } from "../../core/assert.ts";
import { isSummary, type NewRow, type OutboxRow } from "../../ports/outbox.ts";

/** A row of the table `outbox`, as SQLite gives it back: after damage any column can hold anything. */
export interface StoredRow {
  readonly position: number;
  /** Number of a summary; null: a meta. Negative, for one that was salvaged: the number that comes next, so that nobody searches it. */
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

/** A row by its columns. */
export function rowOf(columns: StoredColumns): StoredRow {
  const [position, seq, madeMs, topic, payload, retain, expirySeconds, endBytes, crc] = columns;
  return { position, seq, madeMs, topic, payload, retain, expirySeconds, endBytes, crc };
}

/** Where a new row stands in the queue. */
export interface Place {
  readonly lastPosition: number;
  /** Last number up to the row, its own among them. */
  readonly lastSeq: number;
  readonly endBytes: number;
}

/** The row to store for a message, with its CRC. What is not sealed gets none: nothing else would ever be restored. */
export function storedColumns(row: NewRow, madeMs: number, { lastPosition: position, lastSeq, endBytes }: Place): StoredColumns {
  assert(Message.isSealed(row.message), "only a sealed message waits in the outbox");
  const { topic, payload, retain, expirySeconds } = row.message;
  const kept = retain ? 1 : 0;
  const seq = row.seq ?? (isSummary(row.message) ? -(lastSeq + 1) : null);
  const crc = crcOf({ position, seq, madeMs, topic, payload, retain: kept, expirySeconds, endBytes });
  return [position, seq, madeMs, topic, payload, kept, expirySeconds, endBytes, crc];
}

/** The message of a stored row, or null when it is not what was written. */
export function restoredRow(row: StoredRow): OutboxRow | null {
  if (typeof row.topic !== "string" || !(row.payload instanceof Uint8Array) || crcOf(row) !== row.crc) return null;
  const { position, topic, payload, retain, expirySeconds } = row;
  const seq = row.seq !== null && row.seq > 0 ? row.seq : null;
  return { position, seq, message: restoreMessage({ topic, payload, retain: retain === 1, expirySeconds }) };
}

/** The last number up to a row, as it says itself; null: it is a meta, or not what was written. */
export function lastSeqAt(row: StoredRow): number | null {
  const next = nextSeqAt(row);
  return next === null || (row.seq ?? 0) > 0 ? next : next - 1;
}

/** The first number from a row on, as it says itself; null: it is a meta, or not what was written. */
export function nextSeqAt(row: StoredRow): number | null {
  return row.seq === null || restoredRow(row) === null ? null : Math.abs(row.seq);
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
