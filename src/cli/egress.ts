import { dirname, resolve } from "node:path";
import { lastEvidence } from "../adapters/residency/evidence-reader.ts";
import { StoreError } from "../adapters/sqlite/database.ts";
import { type ChangeEntry, type Departure, type EgressLog, EgressLogError, openEgressLog } from "../adapters/sqlite/egress-log.ts";
import { formatProblem } from "../config/problem.ts";
import { parseDuration } from "../config/values.ts";
import { epochMs, isoUtc } from "../core/units/time.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION, type Output, UsageError } from "./command.ts";
import { brokenLine, changeJson, changeLines, departureJson, departureLine, isOfTerms } from "./egress-text.ts";
import { readNodeFile } from "./node-file.ts";

export const egress: Command = {
  name: "egress",
  says: "list what left the node, when and to which address, and what changed in what may leave",
  takes: "[FILE]",
  wordsMax: 1,
  options: {
    since: { type: "string", value: "DAY", says: "only what left since then: 2026-11-01, 2026-11-01T10:00Z or 7d ago. In UTC" },
    json: JSON_OPTION,
  },
  example: "stoep egress --since 7d",
  more: [
    "Reads node.db beside a node that runs, or that was stopped; it writes nothing and needs no secret. Exits with 69 when there is no",
    "log to read, and with 65 when the log was altered. Changes are chained by SHA-256: note the last hash somewhere else, since",
    "whoever may write the card can write a whole chain anew.",
  ].join("\n"),
  async run(typed, output) {
    const since = typed.text("since");
    const sinceMs = since === null ? 0 : sinceOf(since, Date.now());
    const file = typed.words[0] ?? DEFAULT_FILE;
    const { parsed, problems } = readNodeFile(file);
    const directory = parsed?.config?.storage.directory;
    if (directory === undefined) {
      for (const problem of problems) output.err(formatProblem(problem));
      return EXIT.config;
    }
    const folder = resolve(dirname(resolve(file)), directory);
    const place = await placeIn(folder);
    return withLog(folder, output, (log) =>
      typed.flag("json") ? printJson(log, { sinceMs, place }, output) : printText(log, { sinceMs, place }, output),
    );
  },
};

interface Asked {
  readonly sinceMs: number;
  /** The last sentence of the evidence; null: there is none. */
  readonly place: string | null;
}

/** null also where the evidence may not be read: `stoep evidence` says why. */
async function placeIn(folder: string): Promise<string | null> {
  try {
    return (await lastEvidence(folder))?.says ?? null;
  } catch {
    return null;
  }
}

const ISO_DAY = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?Z)?$/;

/** Reads `--since`. Throws `UsageError`. */
export function sinceOf(text: string, nowMs: number): number {
  const age = parseDuration(text);
  if (age !== null) return nowMs - age;
  const at = ISO_DAY.test(text) ? new Date(text) : null;
  // 2026-02-30 is read as the 2nd of March.
  if (at !== null && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text.slice(0, 10))) return at.getTime();
  throw new UsageError(`--since must be a day such as 2026-11-01, a time such as 2026-11-01T10:00Z, or an age such as 7d, got "${text}"`);
}

function withLog(directory: string, output: Output, print: (log: EgressLog) => number): number {
  try {
    const log = openEgressLog(directory);
    try {
      return print(log);
    } finally {
      log.close();
    }
  } catch (error) {
    if (!(error instanceof EgressLogError || error instanceof StoreError)) throw error;
    output.err(`stoep egress: ${error.message}. What to do: ${error.remedy}`);
    return error.code === "EGRESS_UNREADABLE" || error.code === "STORE_DAMAGED" ? EXIT.badData : EXIT.unavailable;
  }
}

/** One object, written page by page: a log of 400 days is long. */
function printJson(log: EgressLog, { sinceMs, place }: Asked, { out }: Output): number {
  const broken = log.broken();
  const changes = log.changes();
  const chain = { isWhole: broken === null, broken, entries: changes.length, lastHash: changes.at(-1)?.hash ?? null };
  const head = { instance: log.instance, since: sinceMs === 0 ? null : isoUtc(epochMs(sinceMs)), chain, broker: place };
  const recent = changes.filter(({ atMs }) => atMs >= sinceMs).map(changeJson);
  out(`${JSON.stringify({ ...head, changes: recent }, null, 2).slice(0, -2)},\n  "departures": [`);
  let isFirst = true;
  for (const page of log.departures(sinceMs)) {
    for (const departure of page) {
      out(`    ${isFirst ? "" : ","}${JSON.stringify(departureJson(departure))}`);
      isFirst = false;
    }
  }
  out("  ]\n}");
  return broken === null ? EXIT.ok : EXIT.badData;
}

interface Total {
  batches: number;
  rows: number;
  bytes: number;
}

function printText(log: EgressLog, { sinceMs, place }: Asked, { out, err }: Output): number {
  const broken = log.broken();
  const changes = log.changes();
  out(`What left this node (instance ${log.instance})${sinceMs === 0 ? "" : ` since ${isoUtc(epochMs(sinceMs))}`}`);
  const totals = new Map<string, Total>();
  for (const page of log.departures(sinceMs)) {
    for (const departure of page) {
      out(`  ${departureLine(departure)}`);
      addTo(totals, departure);
    }
  }
  if (totals.size === 0) out("  nothing");
  for (const [address, { batches, rows, bytes }] of totals) {
    out(`To ${address}: ${rows} messages, ${bytes} bytes, in ${batches} batches`);
  }
  if (place !== null) out(`\nWhere that was, as the node last signed it (stoep evidence verifies it)\n  ${place}`);
  out("\nWhat changed in what is told about people");
  let before: ChangeEntry | null = null;
  const lines: string[] = [];
  for (const entry of changes) {
    if (entry.atMs >= sinceMs) lines.push(...changeLines(entry, before).map((line) => `  ${line}`));
    if (isOfTerms(entry)) before = entry;
  }
  out(lines.length === 0 ? "  nothing" : lines.join("\n"));
  if (broken !== null) {
    err(`stoep egress: ${brokenLine(broken)}. What to do: treat what the log says as not proven, and keep a copy of node.db`);
    return EXIT.badData;
  }
  const last = changes.at(-1);
  out(last === undefined ? "\nThe chain of changes is empty." : `\nThe chain of ${changes.length} changes is whole. Last: ${last.hash}`);
  return EXIT.ok;
}

function addTo(totals: Map<string, Total>, { address, rows, bytes }: Departure): void {
  const total = totals.get(address) ?? { batches: 0, rows: 0, bytes: 0 };
  totals.set(address, { batches: total.batches + 1, rows: total.rows + rows, bytes: total.bytes + bytes });
}
