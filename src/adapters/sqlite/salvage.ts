import { epochMs } from "../../core/units/time.ts";
import { isSummary, type NewRow, type Outbox } from "../../ports/outbox.ts";
import { removeDatabase } from "./database.ts";
import { messageBytes, restoredRow } from "./outbox-row.ts";
import { DONE, earlierProgress, openWreck, type Reading, type Slice, salvagedKey, type Wreck, wrecksIn } from "./wrecks.ts";

/** Positions that cannot be read, one after the other, before the rest is given up: a page holds about three rows. */
const BARREN_MAX = 20_000;

/** What became of a store that was put aside. */
export interface Salvaged {
  readonly path: string;
  /** Summaries that waited there, and were taken over, byte for byte. */
  readonly rows: number;
  /** Positions that should have had one, and could not be read or were not what had been written; null: nobody knows how many. */
  readonly damaged: number | null;
  /** Positions that are not looked at yet, for there is no room or no time: they stay where they are. Null: nobody knows how many. */
  readonly left: number | null;
}

/** How fast it goes, and how far. */
export interface Pace extends Reading {
  /** Topic and payload bytes that may wait in the outbox. */
  readonly bytesMax: number;
  /** Waits between two commits, so that other work is done; false: the rest is for another time. */
  goesOn(): Promise<boolean>;
}

/**
 * Takes the summaries that waited in damaged stores over into the one that took their place, the oldest first: those that are what had
 * been written, which their CRC says, and nothing else. Summaries only: readings are never in such a file, and metas the new store queues
 * itself. They are read where the table has them, never from pages that were freed. How far it is stands in a fact, so that a kill does
 * not send them once more. What is damaged is counted as lost; what the outbox has no room for stays in the file. A file that is done
 * with is deleted when a later one is there. Gives what there was to do, nothing when all is done. Rejects with `OutboxError`
 * or `UnreadableNow`.
 */
export async function salvage(directory: string, outbox: Outbox, pace: Pace): Promise<readonly Salvaged[]> {
  const found: Salvaged[] = [];
  const wrecks = wrecksIn(directory);
  for (const path of wrecks) {
    const salvaged = await salvageOne(path, outbox, pace);
    if (salvaged !== null) found.push(salvaged);
    if (salvaged !== null && salvaged.left !== 0) break;
    if (path !== wrecks.at(-1)) removeDatabase(path);
  }
  return found;
}

/** How far it is. */
interface Progress {
  readonly cursor: number;
  readonly rows: number;
  readonly damaged: number;
}

/** Null: that was done earlier. */
async function salvageOne(path: string, outbox: Outbox, pace: Pace): Promise<Salvaged | null> {
  const key = salvagedKey(path);
  const text = (await outbox.recall(key)) || (earlierProgress(path, pace) ?? "");
  if (text === DONE) return null;
  const wreck = openWreck(path, pace);
  try {
    const before = progressOf(text, wreck?.settled ?? 0);
    const after = wreck === null ? before : await takenOver(wreck, before, outbox, pace, key);
    const { cursor, rows } = after;
    const left = wreck === null || cursor >= endOf(wreck) ? 0 : wreck.last === null ? null : wreck.last - cursor;
    const damaged = left === 0 && (wreck === null || wreck.last === null) ? null : after.damaged;
    const facts = new Map([[key, DONE]]);
    if (left === 0) await outbox.commit({ rows: [], marks: new Map(), facts, madeAt: epochMs(0), lostEarlier: damaged });
    return { path, rows, damaged, left };
  } finally {
    wreck?.close();
  }
}

const endOf = ({ last }: Wreck): number => last ?? Number.MAX_SAFE_INTEGER;

/** The fact as it was written; an older release wrote the position alone. */
function progressOf(text: string, settled: number): Progress {
  const [cursor = 0, rows = 0, damaged = 0] = text.split(" ").map((word) => Number(word) || 0);
  return { cursor: Math.max(settled, cursor), rows, damaged };
}

/** Takes rows over, a slice a commit, until all are, or there is no room or no time. */
async function takenOver(wreck: Wreck, before: Progress, outbox: Outbox, pace: Pace, key: string): Promise<Progress> {
  let { cursor, rows, damaged } = before;
  for (let barren = 0; cursor < endOf(wreck); ) {
    const slice = wreck.after(cursor);
    const { intact, summaries, madeAt } = sorted(slice, wreck);
    if (!hasRoom(outbox, summaries, pace.bytesMax)) break;
    barren = slice.rows.length === 0 ? barren + slice.cursor - cursor : 0;
    const next = barren >= BARREN_MAX ? endOf(wreck) : slice.cursor;
    rows += summaries.length;
    damaged += next - cursor - intact;
    cursor = next;
    const facts = new Map([[key, `${cursor} ${rows} ${damaged}`]]);
    if (summaries.length > 0) await outbox.commit({ rows: summaries, marks: new Map(), facts, madeAt });
    if (cursor < endOf(wreck) && !(await pace.goesOn())) break;
  }
  return { cursor, rows, damaged };
}

/** The rows that are what had been written, which of them are summaries that waited, and when the last of them was made. */
function sorted({ rows }: Slice, wreck: Wreck) {
  const good = rows.flatMap((row) => {
    const restored = restoredRow(row);
    return restored === null ? [] : [{ message: restored.message, madeMs: row.madeMs, waits: !wreck.isSettled(row.position) }];
  });
  const summaries = good.filter(({ message, waits }) => waits && isSummary(message)).map(({ message }): NewRow => ({ message, seq: null }));
  return { intact: good.length, summaries, madeAt: epochMs(Math.max(0, good.at(-1)?.madeMs ?? 0)) };
}

/** What waits here already is not pushed out; with nothing that waits, a card that is full loses what is kept for replay at most. */
function hasRoom(outbox: Outbox, rows: readonly NewRow[], bytesMax: number): boolean {
  const { pendingRows, queueBytes, isShort } = outbox.standing();
  const bytes = rows.reduce((sum, row) => sum + messageBytes(row), 0);
  return pendingRows === 0 || (!isShort && queueBytes + bytes <= bytesMax);
}
