import { crc32 } from "node:zlib";
import type { StreamId } from "../../core/units/ids.ts";
import type { EpochMs } from "../../core/units/time.ts";
import type { Mark } from "../../ports/outbox.ts";
import type { Connection } from "./database.ts";
import type { OutboxStatements } from "./outbox-statements.ts";

/** A row of the table `mark`: after damage any column can hold anything. */
export interface MarkRow {
  readonly stream: string;
  readonly closedTo: number;
  readonly lastStart: number | null;
  readonly crc: number | null;
}

/** A row of the table `fact`. */
export interface FactRow {
  readonly key: string;
  readonly value: string;
  readonly crc: number | null;
}

/** What `recall` gives for a fact that was there and cannot be read, or may have been there. */
const UNREADABLE_FACT = "";

/**
 * Fact that says that damaged marks or facts were taken out of this store. It is never taken back: it makes a stream without a mark
 * begin with the next whole window, and terms that are not there unreadable, which costs a window and a day at most.
 */
export const DOUBT = "doubt";

/** The text that a CRC-32 (zlib's) of a mark is over; the migration that brought the CRC says the same in SQL. */
const markCrc = ({ stream, closedTo, lastStart }: Omit<MarkRow, "crc">): number => crc32(`${stream} ${closedTo} ${lastStart}`);
const factCrc = (key: string, value: string): number => crc32(`${key} ${value}`);

const isIntactMark = (row: MarkRow): boolean => markCrc(row) === row.crc;
const isIntactFact = ({ key, value, crc }: FactRow): boolean => factCrc(key, value) === crc;

export function setMark(sql: OutboxStatements, stream: string, { closedTo, lastStart }: Mark): void {
  sql.setMark.run(stream, closedTo, lastStart, markCrc({ stream, closedTo, lastStart }));
}

export function setFact(sql: OutboxStatements, key: string, value: string): void {
  sql.setFact.run(key, value, factCrc(key, value));
}

/** The marks that are what was written. */
export function intactMarks(sql: OutboxStatements): Map<StreamId, Mark> {
  const intact = sql.marks.all().filter(isIntactMark);
  return new Map(
    intact.map(({ stream, closedTo, lastStart }) => [
      stream as StreamId,
      { closedTo: closedTo as EpochMs, lastStart: lastStart as EpochMs | null },
    ]),
  );
}

/** A fact in the words of the port: null when there never was one, empty when that cannot be told. */
export function factText(sql: OutboxStatements, key: string, isDoubtful: boolean): string | null {
  const row = sql.fact.get(key);
  if (row === undefined) return isDoubtful ? UNREADABLE_FACT : null;
  return isIntactFact(row) ? row.value : UNREADABLE_FACT;
}

/** Whether damaged marks or facts were ever taken out of this store. */
export const isInDoubt = (sql: OutboxStatements): boolean => sql.fact.get(DOUBT) !== undefined;

/** How many marks and facts are not what was written. */
export function damagedRows(sql: OutboxStatements): { readonly marks: number; readonly facts: number } {
  const marks = sql.marks.all().filter((row) => !isIntactMark(row)).length;
  return { marks, facts: sql.facts.all().filter((row) => !isIntactFact(row)).length };
}

/**
 * Takes out damaged marks and facts, and notes that there were some: whose they were is not known, for the name may be what is
 * damaged. How many.
 */
export function takeOutDamaged(db: Connection, sql: OutboxStatements): number {
  const marks = sql.marks.all();
  const facts = sql.facts.all();
  const intact = { marks: marks.filter(isIntactMark), facts: facts.filter(isIntactFact) };
  const damaged = marks.length - intact.marks.length + facts.length - intact.facts.length;
  if (damaged === 0) return 0;
  // All of them: a damaged key may not be found by what it looks like.
  db.transaction(() => {
    sql.clearMarks.run();
    sql.clearFacts.run();
    for (const { stream, closedTo, lastStart, crc } of intact.marks) sql.setMark.run(stream, closedTo, lastStart, crc);
    for (const { key, value, crc } of intact.facts) sql.setFact.run(key, value, crc);
    setFact(sql, DOUBT, "1");
  })();
  return damaged;
}

/** The function that the migration computes the first CRCs with. */
export function defineCrc(db: Connection): void {
  db.function("stoep_crc32", { deterministic: true, directOnly: true }, (text: unknown) => crc32(String(text)));
}
