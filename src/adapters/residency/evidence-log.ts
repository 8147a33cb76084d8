import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import type { EvidenceLog, NewEvidence } from "../../ports/residency.ts";
import { hashOf, isWhole, signRecord } from "./evidence-jws.ts";

/** A record an hour is 12 MB a year: two files of this length hold some 500 days, longer than the egress log. */
export const EVIDENCE_FILE_BYTES_MAX = 8_000_000;

/** The key that signs, and the records: in the folder of the node store. The older file is replaced when the newer one is full. */
export const EVIDENCE_FILES = { key: "evidence.key", records: "evidence.jsonl", older: "evidence.1.jsonl" } as const;

/**
 * Appends signed lines to a file of its own rather than to node.db: it is read with any JOSE library, needs no migration, and a damaged
 * store does not take the evidence with it. A line that a power cut tore is closed by the next one and passed over by the chain.
 */
export function createEvidenceLog(directory: string, bytesMax = EVIDENCE_FILE_BYTES_MAX): EvidenceLog {
  const path = join(directory, EVIDENCE_FILES.records);
  let key: KeyObject | null = null;
  let turn: Promise<void> = Promise.resolve();

  const append = async (record: NewEvidence): Promise<void> => {
    key ??= await keyIn(directory);
    const { last, bytes, isTorn } = await tailOf(path, join(directory, EVIDENCE_FILES.older));
    const line = signRecord({ ...record, prev: last === null ? "" : hashOf(last) }, key);
    const isFull = bytes > 0 && bytes + line.length + 1 > bytesMax;
    if (isFull) await rename(path, join(directory, EVIDENCE_FILES.older));
    const file = await open(path, "a", 0o600);
    try {
      await file.write(`${isTorn && !isFull ? "\n" : ""}${line}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
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

async function keyIn(directory: string): Promise<KeyObject> {
  const path = join(directory, EVIDENCE_FILES.key);
  const found = await textOf(path);
  if (found !== null) return createPrivateKey(found);
  const { privateKey } = generateKeyPairSync("ed25519");
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await file.write(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
    await file.sync();
  } finally {
    await file.close();
  }
  // Records that were signed with a key that a power cut took could not be told from forged ones.
  const folder = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
  return privateKey;
}

async function textOf(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
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
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const lines = buffer.toString("utf8").split("\n");
    const rest = lines.pop() ?? "";
    // The first line of the window may have begun before it.
    if (size > length) lines.shift();
    const whole = lines.findLast(isWhole) ?? null;
    return { last: whole, bytes: size, isTorn: rest !== "" };
  } finally {
    await file.close();
  }
}
