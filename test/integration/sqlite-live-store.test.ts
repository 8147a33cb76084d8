import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { type Connect, databaseFiles } from "../../src/adapters/sqlite/database.ts";
import { type LiveStoreOptions, openLiveStore, WAL_BYTES } from "../../src/adapters/sqlite/live-store.ts";
import { ChunkReader, ChunkWriter, MARK } from "../../src/core/reading/record.ts";
import { sensorId, streamId } from "../../src/core/units/ids.ts";
import { durationMs, epochMs, monotonicMs } from "../../src/core/units/time.ts";
import { chunkOf } from "../contract/live-store-contract.ts";

const directory = mkdtempSync(join(tmpdir(), "stoep-live-"));
afterAll(() => rmSync(directory, { recursive: true }));

const FIVE_MIN = durationMs(300_000);
const STREAM = streamId(sensorId("gate-1"), "speed");
let files = 0;
const fresh = () => join(directory, `live-${files++}.db`);
const open = (path: string | null, options: Partial<LiveStoreOptions> = {}) =>
  openLiveStore({ path, instance: "0badcafe", bootId: "boot-1", bytesMax: 32 * 1024 * 1024, ...options });

/** A value that nothing else in a database looks like. */
const MARKER = 12345.678901234567;
const MARKER_BYTES = Buffer.from(Float64Array.of(MARKER).buffer);

/** How often the marker stands in the files of a database. */
function copiesOf(path: string): number {
  let copies = 0;
  for (const file of databaseFiles(path).filter(existsSync)) {
    const bytes = readFileSync(file);
    for (let at = bytes.indexOf(MARKER_BYTES); at >= 0; at = bytes.indexOf(MARKER_BYTES, at + 1)) copies++;
  }
  return copies;
}

const marked = (records: number) => chunkOf(new Array(records).fill(MARKER), { sensitivity: "presence" });

describe("purged readings", () => {
  it("are in no file any more, while others stay", () => {
    const path = fresh();
    const store = open(path);
    for (let at = 0; at < 150; at++) store.append(marked(1_000));
    store.append({ ...marked(10), window: epochMs(300_000) });
    expect(copiesOf(path)).toBeGreaterThan(100_000);
    store.purge("presence", FIVE_MIN, epochMs(300_000));
    expect(copiesOf(path)).toBe(10);
    store.close();
  });

  it("are in no file any more when they were small, updated around, or shed before they had a window", () => {
    const path = fresh();
    const store = open(path);
    for (let at = 0; at < 200; at++) store.append({ ...marked(1 + (at % 7)), window: at % 2 === 0 ? null : epochMs(0) });
    const [first] = [...store.unlabelled()];
    if (first) store.relabel(first.id, [{ ...marked(3) }, { ...marked(2) }]);
    store.append({ ...marked(5), window: null, fromMs: monotonicMs(-5_000) });
    expect(store.shedPeople(monotonicMs(-4_000), 10)).toHaveLength(1);
    store.shedUnlabelled(0);
    store.purge("presence", FIVE_MIN, epochMs(1));
    expect(copiesOf(path)).toBe(0);
    store.close();
  });

  it("are cleared out of a WAL that a killed run left behind", () => {
    const [path, path2] = [fresh(), fresh()];
    const store = open(path);
    store.append(marked(1_000));
    // As after a kill between the deletion and its checkpoint: the WAL holds the chunk, and its deletion.
    store.query("DELETE FROM chunk RETURNING id");
    for (const [index, file] of databaseFiles(path).entries()) if (existsSync(file)) copyFileSync(file, databaseFiles(path2)[index] ?? "");
    store.close();
    expect(copiesOf(path2)).toBeGreaterThan(0);
    const reopened = open(path2);
    expect([reopened.discarded, copiesOf(path2)]).toEqual([null, 0]);
    reopened.close();
  });
});

describe("a live store that is opened again", () => {
  const filled = (): string => {
    const path = fresh();
    const store = open(path);
    store.streamIndex(STREAM, "ug/m3");
    for (let at = 0; at < 20; at++) store.append(marked(500));
    store.close();
    return path;
  };

  it("has its readings and its numbers of streams, within the same boot of the same node", () => {
    const path = filled();
    const store = open(path);
    expect(store.discarded).toBeNull();
    expect(store.streamIndex(streamId(sensorId("gate-1"), "other"), "ug/m3")).toBe(2);
    expect(store.streamIndex(STREAM, "mg/m3"), "another meaning").toBe(3);
    expect(store.streamIndex(STREAM, "ug/m3")).toBe(1);
    expect([...store.read(FIVE_MIN, epochMs(0))]).toHaveLength(20);
    store.close();
  });

  it.each([
    ["other-instance", { instance: "00000000" }],
    ["other-boot", { bootId: "boot-2" }],
  ] as const)("is deleted when it belongs to the %s", (reason, options) => {
    const path = filled();
    const store = open(path, options);
    expect([store.discarded, store.held(), copiesOf(path)]).toEqual([reason, [], 0]);
    store.close();
    const again = open(path, options);
    expect(again.discarded).toBeNull();
    again.close();
  });

  it("is deleted when another release wrote it", () => {
    const path = filled();
    const db = new Database(path);
    db.pragma("user_version = 99");
    db.pragma(`application_id = ${0x5374_0000 + 99}`);
    db.close();
    const store = open(path);
    expect([store.discarded, store.held()]).toEqual(["other-version", []]);
    store.close();
  });

  it.each([
    ["is not a database", (bytes: Buffer) => bytes.fill("x")],
    ["is empty", () => Buffer.alloc(0)],
    ["is cut off", (bytes: Buffer) => bytes.subarray(0, 20_000)],
    ["has a bad page", (bytes: Buffer) => bytes.fill(0xa5, 4096, 3 * 4096)],
  ])("is deleted, never kept aside, when it %s", (_how, damage) => {
    const path = filled();
    writeFileSync(path, damage(readFileSync(path)));
    const store = open(path);
    expect([store.discarded, store.held(), copiesOf(path)]).toEqual(["damaged", [], 0]);
    store.append(marked(1));
    store.close();
  });

  it("is not deleted when another process holds it", () => {
    const path = filled();
    const other = new Database(path);
    other.pragma("locking_mode = EXCLUSIVE");
    other.exec("BEGIN EXCLUSIVE");
    const connect: Connect = (file) => new Database(file, { timeout: 50 });
    expect(() => open(path, { connect })).toThrow(expect.objectContaining({ code: "LIVE_IO" }));
    other.close();
    expect(copiesOf(path)).toBeGreaterThan(9_000); // Some straddle two pages.
  });
});

describe("a live store", () => {
  it("keeps no copy in its WAL of readings that waited and were dropped", () => {
    const path = fresh();
    const store = open(path);
    store.append({ ...marked(1), window: null });
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(0);
    for (const { id } of store.unlabelled()) store.relabel(id, []);
    expect(statSync(`${path}-wal`).size).toBe(0);
    store.close();
  });

  it("keeps its file from other users", () => {
    const path = fresh();
    const store = open(path);
    store.append(marked(1));
    for (const file of databaseFiles(path).filter(existsSync)) expect(statSync(file).mode & 0o077).toBe(0);
    store.close();
  });

  it("needs no -shm file, and keeps the WAL short however much is appended and purged", () => {
    const path = fresh();
    let walBytesMost = 0;
    const watch = () => {
      walBytesMost = Math.max(walBytesMost, statSync(`${path}-wal`).size);
    };
    const connect: Connect = (file) => {
      const db = new Database(file);
      const transaction = db.transaction.bind(db);
      const watched = (work: () => unknown) => {
        const run = transaction(work);
        return () => {
          run();
          watch();
        };
      };
      return Object.defineProperty(db, "transaction", { value: watched });
    };
    const store = open(path, { connect });
    for (let at = 0; at < 600; at++) {
      store.append(marked(1_000));
      watch();
    }
    expect(existsSync(`${path}-shm`)).toBe(false);
    store.purge("presence", FIVE_MIN, epochMs(1));
    expect(walBytesMost).toBeGreaterThan(1_000_000);
    expect(walBytesMost).toBeLessThan(WAL_BYTES);
    expect(statSync(`${path}-wal`).size).toBe(0);
    store.close();
  });

  it("shows the same readings as SQL rows", () => {
    const store = open(null);
    const index = store.streamIndex(STREAM, "ug/m3");
    const writer = new ChunkWriter(2);
    writer.add(index, 1_000.5, 48.2, 250, 3, MARK.sample);
    writer.add(index, 1_001.5, 51.7, 250, 4, MARK.sample | MARK.suspect);
    const data = writer.bytes();
    store.append({
      sensitivity: "presence",
      windowMs: FIVE_MIN,
      window: null,
      fromMs: monotonicMs(1_000.5),
      toMs: monotonicMs(1_001.5),
      data,
    });
    const common = { stream: "gate-1.speed", covers_ms: 250, sensitivity: "presence", window_ms: 300_000, window_start_ms: null };
    expect(store.query("SELECT * FROM reading WHERE stream = ?", STREAM)).toEqual([
      { ...common, at_ms: 1_000.5, value: 48.2, cell: 3, marks: 1 },
      { ...common, at_ms: 1_001.5, value: 51.7, cell: 4, marks: 5 },
    ]);
    store.close();
  });

  it("gives chunks that their reader may zero without touching the store", () => {
    const store = open(null);
    store.append(chunkOf([1, 2, 3]));
    for (const { data } of store.read(FIVE_MIN, epochMs(0))) data.fill(0);
    const [again] = [...store.read(FIVE_MIN, epochMs(0))];
    expect(new ChunkReader(again?.data ?? new Uint8Array()).value(2)).toBe(3);
    store.close();
  });
});
