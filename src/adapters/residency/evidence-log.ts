import type { KeyObject } from "node:crypto";
import { type FileHandle, open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { Events } from "../../ports/events.ts";
import type { EvidenceLog, NewEvidence } from "../../ports/residency.ts";
import { EVIDENCE_FILES, hashOf, isWhole, keyName, readRecord, signRecord } from "./evidence-jws.ts";
import { type EvidenceKey, evidenceKeyIn, syncFolder, writeWhole } from "./evidence-key.ts";

/** A record an hour is 12 MB a year: two files of this length hold some 500 days, longer than the egress log. */
export const EVIDENCE_FILE_BYTES_MAX = 8_000_000;

/** How a log is kept. */
export interface EvidenceLogOptions {
  /** Where it is told that a key was replaced. */
  readonly events?: Events;
  readonly bytesMax?: number;
}

/**
 * Appends signed lines to a file of its own rather than to node.db: it is read with any JOSE library, needs no migration, and a damaged
 * store does not take the evidence with it. A line that a power cut tore is closed by the next one and passed over by the chain.
 */
export function createEvidenceLog(directory: string, options: EvidenceLogOptions = {}): EvidenceLog {
  const { events = { emit: () => undefined }, bytesMax = EVIDENCE_FILE_BYTES_MAX } = options;
  const path = join(directory, EVIDENCE_FILES.records);
  const older = join(directory, EVIDENCE_FILES.older);
  let signer: EvidenceKey | null = null;
  let turn: Promise<void> = Promise.resolve();

  const append = async (record: NewEvidence): Promise<void> => {
    signer ??= await evidenceKeyIn(directory, events);
    const { key } = signer;
    const { last, bytes, isTorn } = await tailOf(path, older);
    const isNew = signer.isNew || (last !== null && isOfAnother(last, key));
    const line = signRecord({ ...record, ...(isNew ? { newKey: true } : {}), prev: last === null ? "" : hashOf(last) }, key);
    const isFull = bytes > 0 && bytes + line.length + 1 > bytesMax;
    if (isFull) await rename(path, older);
    await appendWhole(path, `${isTorn && !isFull ? "\n" : ""}${line}\n`);
    if (isFull || bytes === 0) await syncFolder(directory);
    signer = { key, isNew: false };
  };

  return {
    append(record) {
      // One after the other: each names the one before it.
      const mine = turn.then(() => append(record));
      turn = mine.catch(() => undefined);
      return mine;
    },
  };
}

/** What was signed by a key that is gone: a restart may have come between the new key and its first record. */
function isOfAnother(line: string, key: KeyObject): boolean {
  const signed = readRecord(line);
  return signed !== null && signed.keyName !== keyName(key);
}

/** All of it on the card, or nothing of it in the file. */
async function appendWhole(path: string, text: string): Promise<void> {
  const file = await open(path, "a", 0o600);
  try {
    const { size } = await file.stat();
    try {
      await writeWhole(file, text);
      await file.sync();
    } catch (error) {
      // Where this fails too the line is torn, and the next one closes it.
      await file.truncate(size).catch(() => undefined);
      throw error;
    }
  } finally {
    await file.close();
  }
}

interface Tail {
  /** The last line that was written whole. */
  readonly last: string | null;
  readonly bytes: number;
  /** Whether the file ends within a line. */
  readonly isTorn: boolean;
}

/** Far longer than any record: 16 addresses, and texts of 500 characters. */
const TAIL_BYTES = 65_536;

async function tailOf(path: string, older: string): Promise<Tail> {
  const tail = await readTail(path);
  if (tail !== null && tail.last !== null) return tail;
  const before = (await readTail(older))?.last ?? null;
  return { bytes: tail?.bytes ?? 0, isTorn: tail?.isTorn ?? false, last: before };
}

async function readTail(path: string): Promise<Tail | null> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    const { size } = await file.stat();
    const length = Math.min(size, TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.toString("utf8", 0, bytesRead).split("\n");
    // The first line of the window may have begun before it.
    if (size > length) lines.shift();
    // The last one too where only its end was torn off: it counts, so the next one hangs on to it.
    const whole = lines.findLast(isWhole) ?? null;
    return { last: whole, bytes: size, isTorn: lines.at(-1) !== "" && lines.length > 0 };
  } finally {
    await file.close();
  }
}
