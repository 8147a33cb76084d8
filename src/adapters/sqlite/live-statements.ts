import type { Sensitivity } from "../../core/reading/quantity.ts";
import type { HeldWindow, StoredChunk } from "../../ports/live-store.ts";
import type { Connection } from "./database.ts";

const CHUNK = `id, sensitivity, window_ms AS "windowMs", window_start_ms AS "window", from_ms AS "fromMs", to_ms AS "toMs", data`;

/** Everything that the live store ever asks SQLite, prepared. */
export function prepareLive(db: Connection) {
  return {
    setStanding: db.prepare<[number, number]>("UPDATE binding SET run = ?, position = ?"),
    findStream: db.prepare<[string, string], number>("SELECT idx FROM stream WHERE id = ? AND meaning = ?").pluck(),
    addStream: db.prepare<[string, string]>("INSERT INTO stream (id, meaning) VALUES (?, ?)"),
    lastId: db.prepare<[], number | null>("SELECT max(id) FROM chunk").pluck(),
    append: db.prepare<[number, Sensitivity, number, number | null, number, number, Uint8Array]>(
      "INSERT INTO chunk (id, sensitivity, window_ms, window_start_ms, from_ms, to_ms, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
    ),
    held: db.prepare<[], HeldWindow>(
      `SELECT DISTINCT sensitivity, window_ms AS "windowMs", window_start_ms AS "window" FROM chunk ORDER BY 2, 3, 1`,
    ),
    idsOf: db
      .prepare<[number, number | null], number>("SELECT id FROM chunk WHERE window_ms = ? AND window_start_ms = ? ORDER BY from_ms, id")
      .pluck(),
    unlabelledIds: db.prepare<[], number>("SELECT id FROM chunk WHERE window_start_ms IS NULL ORDER BY from_ms, id").pluck(),
    chunk: db.prepare<[number], StoredChunk>(`SELECT ${CHUNK} FROM chunk WHERE id = ?`),
    deleteUnlabelled: db.prepare<[number]>("DELETE FROM chunk WHERE id = ? AND window_start_ms IS NULL"),
    due: db
      .prepare<[number, number, Sensitivity], number>(
        "SELECT id FROM chunk WHERE window_ms = ? AND window_start_ms < ? AND sensitivity = ?",
      )
      .pluck(),
    waiting: db.prepare<[], { id: number; bytes: number }>(
      "SELECT id, length(data) AS bytes FROM chunk WHERE window_start_ms IS NULL ORDER BY from_ms, id",
    ),
    oldest: db
      .prepare<[number], number>(
        `SELECT id FROM (
           SELECT id, sum(length(data)) OVER (ORDER BY from_ms, id ROWS UNBOUNDED PRECEDING) - length(data) AS before
           FROM chunk WHERE window_start_ms IS NULL
         ) WHERE before < ? ORDER BY before`,
      )
      .pluck(),
    oldPeople: db
      .prepare<[number, number, number], number>(
        `SELECT id FROM chunk WHERE sensitivity <> 'environmental' AND from_ms < ?
           AND (window_start_ms IS NULL OR from_ms + window_ms < ?) ORDER BY from_ms LIMIT ?`,
      )
      .pluck(),
    claimDraw: db.prepare<[Sensitivity, number, number, number]>(
      "INSERT OR IGNORE INTO drawn (sensitivity, window_ms, window_start_ms, stream) VALUES (?, ?, ?, ?)",
    ),
    forgetDraws: db.prepare<[Sensitivity, number, number]>(
      "DELETE FROM drawn WHERE sensitivity = ? AND window_ms = ? AND window_start_ms < ?",
    ),
    pagesInUse: db.prepare<[], number>("SELECT page_count - freelist_count FROM pragma_page_count(), pragma_freelist_count()").pluck(),
    delete: db.prepare<[number]>("DELETE FROM chunk WHERE id = ?"),
  };
}

export type LiveStatements = ReturnType<typeof prepareLive>;
