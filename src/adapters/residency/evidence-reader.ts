import { createPrivateKey } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { EvidenceRecord } from "../../core/residency/evidence.ts";
import { EVIDENCE_FILES, hashOf, isWhole, keyName, readRecord } from "./evidence-jws.ts";

/** What is wrong with a line. `torn`: a power cut broke it off; the chain passes it over, so nothing is missing. */
export type EvidenceFault = "torn" | "altered" | "missing-before" | "other-key";

/** A line of the evidence, as somebody else finds it. */
export interface EvidenceEntry {
  /** The signed line itself, to be handed on. */
  readonly line: string;
  /** null: it cannot be read. */
  readonly record: EvidenceRecord | null;
  readonly fault: EvidenceFault | null;
}

/**
 * Every line, oldest first, checked: its signature, its key, and that no line between it and the one before is missing. `expectedKeys`:
 * names of keys, with commas between them where a node has had several; null: whoever signed.
 */
export async function* readEvidence(directory: string, expectedKeys: string | null): AsyncGenerator<EvidenceEntry, void, undefined> {
  const expected = expectedKeys === null ? null : new Set(expectedKeys.split(","));
  let before: string | null = null;
  // A line that cannot be read is told when the next one shows what it was.
  let unread: string | null = null;
  for await (const line of linesIn(directory)) {
    const signed = readRecord(line);
    if (signed === null) {
      if (unread !== null) yield { line: unread, record: null, fault: "altered" };
      unread = line;
      continue;
    }
    // The first line of all may name one that was let go with age.
    const isNext: boolean = before === null || signed.record.prev === hashOf(before);
    if (unread !== null) yield { line: unread, record: null, fault: isNext && before !== null ? "torn" : "altered" };
    const fault = expected !== null && !expected.has(signed.keyName) ? "other-key" : isNext || unread !== null ? null : "missing-before";
    yield { line, record: signed.record, fault };
    unread = null;
    before = line;
  }
  // Behind it stands no record that could tell: what is long enough for a record was one.
  if (unread !== null) yield { line: unread, record: null, fault: isWhole(unread) ? "altered" : "torn" };
}

async function* linesIn(directory: string): AsyncGenerator<string, void, undefined> {
  for (const name of [EVIDENCE_FILES.older, EVIDENCE_FILES.records]) {
    const path = join(directory, name);
    if (!existsSync(path)) continue;
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line !== "") yield line;
    }
  }
}

/** The name of the key in this folder; null: there is none, or it may not be read. */
export async function evidenceKeyName(directory: string): Promise<string | null> {
  try {
    return keyName(createPrivateKey(await readFile(join(directory, EVIDENCE_FILES.key))));
  } catch {
    return null;
  }
}

/** The last record that counts; null: there is none. */
export async function lastEvidence(directory: string): Promise<EvidenceRecord | null> {
  let last: EvidenceRecord | null = null;
  const key = await evidenceKeyName(directory);
  for await (const { record, fault } of readEvidence(directory, key)) if (fault === null && record !== null) last = record;
  return last;
}
