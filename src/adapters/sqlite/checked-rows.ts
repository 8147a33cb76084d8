import { crc32 } from "node:zlib";
import type { StreamId } from "../../core/units/ids.ts";
import type { EpochMs } from "../../core/units/time.ts";
import {
  AGEING_FACT,
  COURSES_FACT,
  LOST_EARLIER_FACT,
  MAINTENANCE_FACT,
  type Mark,
  META_FACT,
  METAS_BROKER_FACT,
  SALVAGED_FACT,
  TERMS_FACT,
  TOPICS_FACT,
  TRIED_FACT,
  TRUSTED_FACT,
} from "../../ports/outbox.ts";
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
 * Facts that say that a damaged mark, or a damaged fact, was taken out of this store of which nobody knows whose it was. They are never
 * taken back: a stream without a mark begins with the next whole window, a fact that is not there cannot be read.
 */
export const DOUBT = { marks: "doubt:marks", facts: "doubt:facts" } as const;

/** Keys of facts, and what they begin with: a row with such a key that is damaged is damaged in its value. */
const KNOWN_KEYS: readonly string[] = [
  ...[TERMS_FACT, TOPICS_FACT, COURSES_FACT, TRUSTED_FACT, AGEING_FACT, MAINTENANCE_FACT, TRIED_FACT],
  ...[DOUBT.marks, DOUBT.facts, LOST_EARLIER_FACT, METAS_BROKER_FACT],
];
const KNOWN_BEGINNINGS = [META_FACT, "derived:", SALVAGED_FACT];

/** The text that a CRC-32 (zlib's) of a mark is over; the migration that brought the CRC says the same in SQL. */
const markCrc = ({ stream, closedTo, lastStart }: Omit<MarkRow, "crc">): number => crc32(`${stream} ${closedTo} ${lastStart}`);
const factCrc = (key: string, value: string): number => crc32(`${key} ${value}`);

const isIntactMark = (row: MarkRow): boolean => markCrc(row) === row.crc;
export const isIntactFact = ({ key, value, crc }: FactRow): boolean => factCrc(key, value) === crc;

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
export function factText(sql: OutboxStatements, key: string): string | null {
  const row = sql.fact.get(key);
  if (row === undefined) return sql.fact.get(DOUBT.facts) === undefined ? null : UNREADABLE_FACT;
  return isIntactFact(row) ? row.value : UNREADABLE_FACT;
}

/** Whether a damaged mark was ever taken out of this store. */
export const areMarksInDoubt = (sql: OutboxStatements): boolean => sql.fact.get(DOUBT.marks) !== undefined;

/** How many marks and facts are not what was written. */
export function damagedRows(sql: OutboxStatements): { readonly marks: number; readonly facts: number } {
  const marks = sql.marks.all().filter((row) => !isIntactMark(row)).length;
  return { marks, facts: sql.facts.all().filter((row) => !isIntactFact(row)).length };
}

/**
 * Mends damaged marks and facts, or takes them out. One flipped bit is found by its CRC and flipped back. A fact of which only the key is
 * sure stays, unreadable. Of what remains nobody knows whose it was, for the name may be what is damaged, and that is noted. How many.
 */
export function mendDamaged(db: Connection, sql: OutboxStatements): number {
  const marks = sql.marks.all();
  const facts = sql.facts.all();
  const damaged = marks.filter((row) => !isIntactMark(row)).length + facts.filter((row) => !isIntactFact(row)).length;
  if (damaged === 0) return 0;
  // All of them: a damaged key may not be found by what it looks like.
  db.transaction(() => {
    sql.clearMarks.run();
    sql.clearFacts.run();
    for (const mark of marks) {
      const sound = isIntactMark(mark) ? mark : mendedMark(mark);
      if (sound === null) setFact(sql, DOUBT.marks, "1");
      else setMark(sql, sound.stream, { closedTo: sound.closedTo as EpochMs, lastStart: sound.lastStart as EpochMs | null });
    }
    for (const fact of facts) {
      const sound = isIntactFact(fact) ? fact : mendedFact(fact);
      if (sound === null) setFact(sql, DOUBT.facts, "1");
      else setFact(sql, sound.key, sound.value);
    }
  })();
  return damaged;
}

type Mend<Row> = Omit<Row, "crc"> | null;

/** The mark that differs from this one in a bit, and that its CRC is of. */
function mendedMark({ stream, closedTo, lastStart, crc }: MarkRow): Mend<MarkRow> {
  const candidates: Omit<MarkRow, "crc">[] = [
    ...textsOneBitAway(stream).map((text) => ({ stream: text, closedTo, lastStart })),
    ...numbersOneBitAway(closedTo).map((number) => ({ stream, closedTo: number, lastStart })),
    ...(lastStart === null ? [] : numbersOneBitAway(lastStart)).map((number) => ({ stream, closedTo, lastStart: number })),
  ];
  const mark = { stream, closedTo, lastStart };
  if (isOneBitAway(markCrc(mark), crc)) return mark;
  return candidates.find((one) => markCrc(one) === crc) ?? null;
}

/** The same for the key of a fact; where its key is one that there is, the fact without its value. */
function mendedFact({ key, value, crc }: FactRow): Mend<FactRow> {
  if (isOneBitAway(factCrc(key, value), crc)) return { key, value };
  const mended = textsOneBitAway(key).find((text) => factCrc(text, value) === crc);
  if (mended !== undefined) return { key: mended, value };
  const isKnown = KNOWN_KEYS.includes(key) || KNOWN_BEGINNINGS.some((begin) => key.startsWith(begin));
  return isKnown ? { key, value: UNREADABLE_FACT } : null;
}

const isOneBitAway = (a: number, b: number | null): boolean => b !== null && b >= 0 && b <= 0xffff_ffff && isPowerOfTwo((a ^ b) >>> 0);
const isPowerOfTwo = (word: number): boolean => word !== 0 && (word & (word - 1)) === 0;

/** Times of the years to come have 41 bits; damage may set any bit of a whole number that JavaScript can hold. */
const NUMBER_BITS = 53;

function numbersOneBitAway(number: number): readonly number[] {
  if (!Number.isSafeInteger(number) || number < 0) return [];
  return Array.from({ length: NUMBER_BITS }, (_, bit) => {
    const weight = 2 ** bit;
    return Math.floor(number / weight) % 2 === 1 ? number - weight : number + weight;
  });
}

function textsOneBitAway(text: string): readonly string[] {
  return Array.from({ length: Buffer.byteLength(text) * 8 }, (_, bit) => {
    const bytes = Buffer.from(text);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return bytes.toString();
  });
}

/** The function that the migration computes the first CRCs with. */
export function defineCrc(db: Connection): void {
  db.function("stoep_crc32", { deterministic: true, directOnly: true }, (text: unknown) => crc32(String(text)));
}
