import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { EVIDENCE_FILES, hashOf } from "../adapters/residency/evidence-jws.ts";
import { type EvidenceEntry, type EvidenceFault, evidenceKeyName, readEvidence } from "../adapters/residency/evidence-reader.ts";
import { formatProblem } from "../config/problem.ts";
import { type Arguments, type Command, DEFAULT_FILE, EXIT, JSON_OPTION, type Output } from "./command.ts";
import { sinceOf } from "./egress.ts";
import { readNodeFile } from "./node-file.ts";

const FAULT_WORDS: Readonly<Record<EvidenceFault, string>> = {
  torn: "a line that a power cut broke off; no record is missing for it",
  altered: "a line that is not what the node wrote",
  "missing-before": "records are missing before this one",
  "other-key": "a record that another key signed",
};

export const evidence: Command = {
  name: "evidence",
  says: "list where the node was connected to, as it signed it, and verify that nothing was changed",
  takes: "[FILE]",
  wordsMax: 1,
  options: {
    since: { type: "string", value: "DAY", says: "list only what is newer: 2026-11-01 or 7d. All of it is verified" },
    directory: { type: "string", value: "PATH", says: "read a copy of the records there; FILE is not needed" },
    key: {
      type: "string",
      value: "NAME",
      says: "name of the node's key, as you wrote it down; several with commas (default: of the one there)",
    },
    json: JSON_OPTION,
  },
  example: "stoep evidence --since 7d",
  more: [
    "Each record is a JWS that the node signed with a key of its own when it connected to the broker, and every hour after: where its",
    "address was listed, by which database, and what TLS agreed on. The sentence in it is all that it may be read as. Records are chained",
    "by SHA-256. Write the name of the key down when the node is installed, and the last hash now and then: whoever owns the card has the",
    "key too. A node whose key was destroyed has another from then on, and says so: --key OLD,NEW takes both. Exits with 65 when a record",
    "was changed, is missing or was signed by another key, and with 69 when there are none.",
  ].join("\n"),
  async run(typed, output) {
    const sinceMs = typed.text("since") === null ? 0 : sinceOf(typed.text("since") ?? "", Date.now());
    const directory = directoryOf(typed, output);
    if (directory === null) return EXIT.config;
    try {
      return await list(directory, { sinceMs, key: typed.text("key"), asJson: typed.flag("json") }, output);
    } catch (error) {
      const { code, path } = error as NodeJS.ErrnoException;
      if (code === undefined || path === undefined) throw error;
      output.err(`stoep evidence: ${path} cannot be read (${code}). What to do: ask as root or as the user of the service`);
      return EXIT.unavailable;
    }
  },
};

function directoryOf(typed: Arguments, output: Output): string | null {
  const given = typed.text("directory");
  if (given !== null) return resolve(given);
  const file = typed.words[0] ?? DEFAULT_FILE;
  const { parsed, problems } = readNodeFile(file);
  const directory = parsed?.config?.storage.directory;
  if (directory !== undefined) return resolve(dirname(resolve(file)), directory);
  for (const problem of problems) output.err(formatProblem(problem));
  return null;
}

interface How {
  readonly sinceMs: number;
  readonly key: string | null;
  readonly asJson: boolean;
}

/** Written line by line: records of 500 days are many. */
async function list(directory: string, { sinceMs, key, asJson }: How, { out, err }: Output): Promise<number> {
  const own = await evidenceKeyName(directory);
  const expected = key ?? own;
  if (!existsSync(join(directory, EVIDENCE_FILES.records)) && !existsSync(join(directory, EVIDENCE_FILES.older))) {
    err(`stoep evidence: there is none in ${directory}. What to do: check storage.directory; a broker on this machine is not looked up`);
    return EXIT.unavailable;
  }
  if (asJson) out(`{\n  "key": ${JSON.stringify(expected)},\n  "records": [`);
  else out(expected === null ? "Signed by a key that is not here: compare its name with --key" : `Signed with key ${expected}`);
  let [records, faults, lastHash, isFirst] = [0, 0, "", true];
  for await (const entry of readEvidence(directory, expected)) {
    if (entry.record !== null) records++;
    if (entry.fault !== null && entry.fault !== "torn") faults++;
    lastHash = hashOf(entry.line);
    if (!isWanted(entry, sinceMs)) continue;
    out(asJson ? `    ${isFirst ? "" : ","}${JSON.stringify(entry)}` : `  ${textOf(entry)}`);
    isFirst = false;
  }
  if (asJson) out(`  ],\n  "count": ${records},\n  "faults": ${faults},\n  "lastHash": "${lastHash}"\n}`);
  else if (faults === 0) out(`${records} records, each as it was signed, none missing in between. Last: ${lastHash}`);
  if (faults > 0) err(`stoep evidence: ${faults} of ${records} do not hold. What to do: treat the records as not proven, and keep a copy`);
  return faults === 0 ? EXIT.ok : EXIT.badData;
}

/** Faults are always shown. */
const isWanted = ({ record, fault }: EvidenceEntry, sinceMs: number): boolean =>
  fault !== null || record === null || Date.parse(record.at) >= sinceMs;

function textOf({ record, fault }: EvidenceEntry): string {
  const wrong = fault === null ? "" : `  [${FAULT_WORDS[fault]}]`;
  const key = record?.newKey === true ? "  [signed with a new key from here on]" : "";
  return record === null ? wrong.trim() : `${record.at}  ${record.event}: ${record.says}${key}${wrong}`;
}
