import type { OutboxReader, ReadRow } from "../adapters/sqlite/outbox-reader.ts";
import type { Salvaged } from "../adapters/sqlite/salvage.ts";
import { epochMs, isoUtc } from "../core/units/time.ts";
import type { LostRange } from "../ports/outbox.ts";
import { EXIT, type Output, table } from "./command.ts";
import type { ReplayAnswer } from "./outbox-actions.ts";

// How `stoep outbox` puts the queue into words.

const decoder = new TextDecoder();

/** What `outbox check` found. */
export interface CheckReport {
  readonly instance: string;
  readonly isWhole: boolean;
  readonly structure: string;
  readonly rows: { readonly intact: number; readonly damaged: readonly number[]; readonly missing: number };
  readonly damaged: { readonly marks: number; readonly facts: number; readonly ledger: number };
  readonly waiting: number;
  readonly firstUnacked: number | null;
  readonly lastSeq: number;
  readonly lost: readonly LostRange[];
  /** Summaries of earlier instances; null: nobody knows how many. */
  readonly lostEarlier: number | null;
}

/** Positions of damaged rows that are named: more say no more. */
const NAMED_MAX = 100;

/** Reads everything there is. */
export function checkOf(reader: OutboxReader): CheckReport {
  const { standing, instance } = reader;
  const structure = reader.structure();
  const found: number[] = [];
  let intact = 0;
  let missing = 0;
  let before: number | null = null;
  for (const page of reader.rows(0)) {
    for (const row of page) {
      if (row.intact === null) found.push(row.position);
      else intact++;
      if (before !== null) missing += row.position - before - 1;
      before = row.position;
    }
  }
  missing += standing.lastPosition - Math.max(before ?? 0, standing.acknowledgedPosition);
  const damaged = reader.damaged();
  return {
    instance,
    isWhole: structure === "ok" && found.length === 0 && missing === 0 && Object.values(damaged).every((count) => count === 0),
    structure,
    rows: { intact, damaged: found.slice(0, NAMED_MAX), missing },
    damaged,
    waiting: standing.pendingRows,
    firstUnacked: standing.firstUnackedSeq,
    lastSeq: standing.lastSeq,
    lost: standing.lost,
    lostEarlier: standing.lostEarlier,
  };
}

export function checkText(report: CheckReport): string {
  const { instance, isWhole, structure, rows, damaged, waiting, firstUnacked, lastSeq } = report;
  const count = (bad: number): string => (bad === 0 ? "all are what was written" : `${bad} DAMAGED`);
  const holes = rows.missing === 0 ? "" : `, ${rows.missing} MISSING`;
  return [
    ...table([
      ["instance", instance],
      ["structure", structure],
      ["messages", `${rows.intact} intact, ${count(rows.damaged.length)}${holes}`],
      ["marks", count(damaged.marks)],
      ["facts", count(damaged.facts)],
      ["ledger", count(damaged.ledger)],
      ["waiting", `${waiting}${firstUnacked === null ? "" : `, from seq ${firstUnacked}`}; last seq ${lastSeq}`],
      ...lostRows(report),
    ]),
    isWhole ? "" : "\nWhat to do: stop the node and type stoep outbox repair",
    "",
  ].join("\n");
}

const lostRows = ({ lost, lostEarlier }: Pick<CheckReport, "lost" | "lostEarlier">): [string, string][] => [
  ...lost.map(({ fromSeq, toSeq, reason }): [string, string] => ["lost", `seq ${fromSeq} to ${toSeq} (${reason})`]),
  ...(lostEarlier === 0 ? [] : [["lost", `${lostEarlier ?? "nobody knows how many"} summaries of earlier instances`] as [string, string]]),
];

interface How {
  readonly from: number;
  readonly asJson: boolean;
}

/** The rows from a summary on, with what was queued right before it left out. */
function* rowsFrom(reader: OutboxReader, from: number): Generator<ReadRow, void, undefined> {
  let isReached = from <= 1;
  for (const page of reader.rows(0)) {
    for (const row of page) {
      isReached ||= (row.intact?.seq ?? 0) >= from;
      if (isReached) yield row;
    }
  }
}

function stateOf({ position, intact }: ReadRow, reader: OutboxReader): "waiting" | "sent" | "damaged" {
  return intact === null ? "damaged" : reader.isSettled(position) ? "sent" : "waiting";
}

const madeOf = ({ madeMs, intact }: ReadRow): string | null => (intact === null ? null : isoUtc(epochMs(madeMs)));

/** A line for each row; as JSON one array. */
export function printList(reader: OutboxReader, { from, asJson }: How, { out }: Output): number {
  let isFirst = true;
  if (asJson) out("[");
  for (const row of rowsFrom(reader, from)) {
    const state = stateOf(row, reader);
    const { seq = null, message = null } = row.intact ?? {};
    const bytes = message?.payload.byteLength ?? null;
    const topic = message?.topic ?? null;
    if (asJson) out(`  ${isFirst ? "" : ","}${JSON.stringify({ position: row.position, seq, state, made: madeOf(row), topic, bytes })}`);
    else {
      const number = (seq === null ? "-" : `#${seq}`).padEnd(9);
      out(`${String(row.position).padStart(8)}  ${number} ${state.padEnd(8)} ${madeOf(row) ?? ""}  ${topic ?? ""}`);
    }
    isFirst = false;
  }
  if (asJson) out("]");
  else if (isFirst) out("nothing");
  return EXIT.ok;
}

/** Messages whole, a JSON object a line; damaged ones are left out and told of. */
export function printExport(reader: OutboxReader, { from }: How, { out, err }: Output): number {
  let damaged = 0;
  for (const row of rowsFrom(reader, from)) {
    if (row.intact === null) {
      damaged++;
      continue;
    }
    const { seq, message } = row.intact;
    const { topic, retain, expirySeconds } = message;
    const head = {
      position: row.position,
      seq,
      state: stateOf(row, reader),
      made: madeOf(row),
      topic,
      retain,
      expirySeconds,
    };
    out(JSON.stringify({ ...head, payload: decoder.decode(message.payload) }));
  }
  if (damaged === 0) return EXIT.ok;
  err(`stoep outbox: ${damaged} damaged messages were left out. What to do: stoep outbox check tells more`);
  return EXIT.badData;
}

/** What `outbox repair` did. */
export interface Repaired {
  readonly instance: string;
  /** Where a damaged file was put, or null. */
  readonly quarantined: string | null;
  /** What was done for each file that was put aside, the oldest first. */
  readonly salvaged: readonly Salvaged[];
  /** Marks and facts that were not what had been written. */
  readonly takenOut: number;
  readonly waiting: number;
  readonly lost: readonly LostRange[];
  readonly lostEarlier: number | null;
}

export function repairText(report: Repaired): string {
  const { instance, quarantined, salvaged, takenOut, waiting } = report;
  return [
    ...table([
      ["instance", quarantined === null ? instance : `${instance}, a new one`],
      ["file", quarantined === null ? "sound" : `damaged, put aside as ${quarantined}`],
      ...salvaged.map(salvagedRow),
      ...(takenOut === 0 ? [] : [["taken out", `${takenOut} damaged marks and facts`] as const]),
      ["waiting", String(waiting)],
      ...lostRows(report),
    ]),
    "",
  ].join("\n");
}

function salvagedRow({ rows, damaged, left }: Salvaged): readonly [string, string] {
  const rest = left === 0 ? "" : `; left until there is room: ${left ?? "nobody knows how many"}`;
  return ["salvaged", `${rows} summaries; not readable: ${damaged ?? "nobody knows how many"}${rest}`];
}

export function replayText({ asked, fromSeq, lastSeq, pending }: ReplayAnswer): string {
  if (fromSeq === null && asked > lastSeq) return `There is no summary ${asked}: the last one is ${lastSeq}.`;
  if (fromSeq === null) return `Nothing to send again: everything from ${asked} on waits anyway, or is no longer kept. ${pending} wait.`;
  const missing = fromSeq > asked ? ` Those before ${fromSeq} are no longer kept.` : "";
  return `Summaries from ${fromSeq} on are sent again: ${pending} messages wait.${missing}`;
}
