import { createHash, randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { type Connect, type Connection, databaseFiles } from "../../src/adapters/sqlite/database.ts";
import { NOTHING_AROUND } from "../../src/adapters/sqlite/instance.ts";
import { migrate } from "../../src/adapters/sqlite/migrate.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { quarantine } from "../../src/adapters/sqlite/outbox-file.ts";
import { OUTBOX_MIGRATIONS } from "../../src/adapters/sqlite/outbox-schema.ts";
import { EGRESS_ROW_BYTES, TRIM_ROWS_MAX } from "../../src/adapters/sqlite/outbox-trim.ts";
import { salvage } from "../../src/adapters/sqlite/salvage.ts";
import { sealMessage } from "../../src/core/anonymise/message.ts";
import { epsilonMicro } from "../../src/core/units/epsilon.ts";
import { durationMs, epochMs } from "../../src/core/units/time.ts";
import type { Outbox } from "../../src/ports/outbox.ts";
import { acked, ackedRows, batchOf, message, meta, STREAM, settle, summaries, trimAll } from "../contract/outbox-contract.ts";
import { FaultPlan, faultyConnect } from "./support/faulty-connection.ts";

const root = mkdtempSync(join(tmpdir(), "stoep-outbox-"));
afterAll(() => rmSync(root, { recursive: true }));

let stores = 0;
const freshDirectory = () => join(root, String(stores++));
const open = (directory: string, connect?: Connect) => openOutbox({ directory, randomBytes, ...(connect ? { connect } : {}) });
const dbOf = (directory: string) => join(directory, "node.db");

const sha256 = (text: string) => createHash("sha256").update(text, "utf8").digest("hex");

/** Runs SQL on a store that nobody has open. */
function alter(directory: string, work: (db: Connection) => void): void {
  const db = new Database(dbOf(directory));
  work(db);
  db.close();
}

/** A closed store with summaries 1 to `count`, the first two acknowledged. */
async function filled(count: number): Promise<string> {
  const directory = freshDirectory();
  const outbox = await open(directory);
  await outbox.commit({ ...batchOf(summaries(1, count)), marks: new Map([[STREAM, { closedTo: epochMs(1), lastStart: null }]]) });
  await outbox.acknowledge(acked(outbox, 2));
  await outbox.close();
  return directory;
}

/** Entries 1 to `count` of the egress log, one a millisecond, one row each, without a commit for each. */
const fillEgress = (directory: string, count: number, firstAt: number) =>
  alter(directory, (db) =>
    db
      .prepare(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
         INSERT INTO egress (at_ms, address, from_position, to_position, from_seq, to_seq, rows, bytes)
         SELECT ? + i, 'broker.example:8883', 1000000 + i, 1000000 + i, 1000000 + i, 1000000 + i, 20, 9000 FROM n`,
      )
      .run(count, firstAt),
  );

const pendingSeqs = async (outbox: Outbox) => (await outbox.read(0, 10_000)).map((row) => row.seq);

describe("node.db", () => {
  it("is opened with a WAL that is synced on each commit, and a small cache, every time", async () => {
    const directory = await filled(2);
    let db: Connection | undefined;
    const outbox = await open(directory, (path) => {
      db = new Database(path);
      return db;
    });
    const settings = ["journal_mode", "synchronous", "cache_size", "temp_store"].map((name) => db?.pragma(name, { simple: true }));
    expect(settings).toEqual(["wal", 2, -500, 2]);
    await outbox.close();
  });

  it("is made with small pages, and one that has larger ones is taken as it is", async () => {
    const directory = await filled(3);
    alter(directory, (db) => {
      expect(db.pragma("page_size", { simple: true })).toBe(2_048);
      db.pragma("journal_mode = DELETE");
      db.pragma("page_size = 4096");
      db.exec("VACUUM");
      expect(db.pragma("page_size", { simple: true })).toBe(4_096);
    });
    const outbox = await open(directory);
    await outbox.commit(batchOf(summaries(4, 1)));
    expect(await pendingSeqs(outbox)).toEqual([3, 4]);
    await outbox.close();
  });

  it("says the same of rows that it still has at hand and of those that it reads back", async () => {
    const directory = freshDirectory();
    const outbox = await open(directory);
    for (let from = 1; from <= 1_101; from += 100) await outbox.commit(batchOf(summaries(from, 100)));
    for (const upTo of [300, 650, 900, 1_199]) {
      await outbox.acknowledge(acked(outbox, upTo));
      const other = await open(directory);
      expect(outbox.standing()).toEqual(other.standing());
      for (const after of [0, upTo + 20, 1_150]) expect(await outbox.read(after, 100)).toEqual(await other.read(after, 100));
      await other.close();
    }
    await outbox.close();
  });

  it("keeps its name and counts its runs", async () => {
    const directory = freshDirectory();
    const names = new Set<string>();
    for (const run of [1, 2, 3]) {
      const outbox = await open(directory);
      expect(outbox.run).toBe(run);
      names.add(outbox.instance);
      await outbox.reopen();
      expect(outbox.run).toBe(run);
      await outbox.close();
    }
    expect(names.size).toBe(1);
  });

  it("comes back as it was after a stop, clean or not, numbers included when all rows are gone", async () => {
    const directory = await filled(4);
    const outbox = await open(directory);
    await outbox.acknowledge(acked(outbox, 4, 1));
    await trimAll(outbox, { acknowledgedBefore: epochMs(10) });
    const again = await open(directory);
    expect(again.standing()).toEqual(outbox.standing());
    expect(again.standing()).toMatchObject({ lastSeq: 4, lastPosition: 4, pendingBytes: 0 });
    await again.commit(batchOf(summaries(5, 1)));
    expect(await again.read(0, 10)).toMatchObject([{ position: 5, seq: 5 }]);
    await again.close();
    await outbox.close();
  });

  it("refuses the file of a later release, and leaves it as it is", async () => {
    const directory = await filled(3);
    alter(directory, (db) => {
      db.pragma("user_version = 99");
      db.pragma(`application_id = ${0x5374_0000 + 99}`);
    });
    const before = readFileSync(dbOf(directory));
    await expect(open(directory)).rejects.toMatchObject({ code: "STORE_SCHEMA_NEWER", remedy: expect.stringContaining("later release") });
    expect(readFileSync(dbOf(directory)).equals(before)).toBe(true);
    expect(readdirSync(directory).filter((name) => name.includes("corrupt"))).toEqual([]);
  });

  it("is not moved aside when it cannot be had: a folder in its place, or another process at work", async () => {
    const blocked = freshDirectory();
    mkdirSync(dbOf(blocked), { recursive: true });
    await expect(open(blocked)).rejects.toMatchObject({ code: "OUTBOX_IO" });
    const directory = await filled(3);
    const other = new Database(dbOf(directory));
    other.exec("BEGIN IMMEDIATE");
    await expect(open(directory, (path) => new Database(path, { timeout: 20 }))).rejects.toMatchObject({ code: "OUTBOX_IO" });
    other.close();
    const outbox = await open(directory);
    expect([outbox.quarantined, await pendingSeqs(outbox)]).toEqual([null, [3]]);
    await outbox.close();
  });
});

describe("the privacy ledger", () => {
  const span = { account: "node", stream: STREAM, windowMs: durationMs(900_000), fromMs: epochMs(0), toMs: epochMs(900_000) };

  it("counts a row that is not what was written as damaged, and says nothing else of it", async () => {
    const directory = freshDirectory();
    let outbox = await open(directory);
    const second = { ...span, fromMs: epochMs(1_800_000), toMs: epochMs(2_700_000), epsilonMicro: epsilonMicro(2) };
    await outbox.commit({ ...batchOf([]), charges: [{ ...span, epsilonMicro: epsilonMicro(1) }, second] });
    await outbox.close();
    alter(directory, (db) => db.exec("UPDATE ledger SET epsilon_micro = 0 WHERE from_ms = 0"));
    outbox = await open(directory);
    expect(await outbox.ledger()).toEqual({ spans: [second], damaged: 1 });
    await outbox.close();
  });

  it("is forgotten with the egress log, by age", async () => {
    const outbox = await open(freshDirectory());
    await outbox.commit({ ...batchOf([]), charges: [{ ...span, epsilonMicro: epsilonMicro(1) }] });
    await trimAll(outbox, { egressBefore: epochMs(900_000) });
    expect((await outbox.ledger()).spans).toHaveLength(1);
    await trimAll(outbox, { egressBefore: epochMs(900_001) });
    expect((await outbox.ledger()).spans).toHaveLength(0);
    await outbox.close();
  });

  it("keeps changes as a chain of hashes that cannot be altered", async () => {
    const directory = freshDirectory();
    const outbox = await open(directory);
    await outbox.commit({ ...batchOf([], 5), changes: ["first", "second"] });
    await outbox.close();
    alter(directory, (db) => {
      const rows = db.prepare<[], { text: string; hash: string }>("SELECT text, hash FROM change ORDER BY id").all();
      const first = sha256("\n5\nfirst");
      expect(rows).toEqual([
        { text: "first", hash: first },
        { text: "second", hash: sha256(`${first}\n5\nsecond`) },
      ]);
      expect(() => db.exec("UPDATE change SET text = 'other'")).toThrow("append-only");
      expect(() => db.exec("DELETE FROM change")).toThrow("append-only");
    });
  });
});

describe("a damaged mark or fact", () => {
  const bucket = new Map([["meta:p/n1/meta", "5be1c0aa"]]);
  const MARKS = new Map([[STREAM, { closedTo: epochMs(1), lastStart: null }]]);

  /** A store with a mark and a fact, closed, of which something is altered. */
  async function altered(sql: string): Promise<Outbox & { readonly repaired: number }> {
    const directory = await filled(3);
    const outbox = await open(directory);
    await outbox.commit({ ...batchOf([]), facts: bucket });
    await outbox.close();
    alter(directory, (db) => db.exec(sql));
    return open(directory);
  }

  it.each([
    ["closed_to_ms", "closed_to_ms + 1"],
    ["last_start_ms", "0"],
    ["stream", "'bad-2.pm25'"],
    ["crc", "12345"],
    ["crc", "NULL"],
  ])("is noticed by its CRC when %s of a mark is wrong (%s): there is none then, and that is told for ever", async (column, value) => {
    const outbox = await altered(`UPDATE mark SET ${column} = ${value}`);
    expect([outbox.repaired, outbox.isDoubtful, await outbox.marks()]).toEqual([1, true, new Map()]);
    expect([await outbox.recall("meta:p/n1/meta"), await outbox.recall("courses")]).toEqual(["5be1c0aa", null]);
    await outbox.close();
  });

  it.each([
    ["closed_to_ms", "closed_to_ms + 1099511627776"],
    ["stream", "'air-1.pm27'"],
    ["crc", "crc + 1073741824 - 2 * (crc & 1073741824)"],
  ])("is mended when one bit of %s of a mark was flipped", async (column, value) => {
    const outbox = await altered(`UPDATE mark SET ${column} = ${value}`);
    expect([outbox.repaired, outbox.isDoubtful, await outbox.marks()]).toEqual([1, false, MARKS]);
    await outbox.close();
  });

  it("of which the value is wrong cannot be read; other facts are what they were", async () => {
    const outbox = await altered("UPDATE fact SET value = 'something'");
    expect([outbox.repaired, outbox.isDoubtful]).toEqual([1, false]);
    expect([await outbox.recall("meta:p/n1/meta"), await outbox.recall("privacy:terms")]).toEqual(["", null]);
    await outbox.commit({ ...batchOf([]), facts: bucket });
    expect(await outbox.recall("meta:p/n1/meta")).toBe("5be1c0aa");
    await outbox.close();
  });

  it("of which one bit of the key was flipped is mended", async () => {
    const outbox = await altered("UPDATE fact SET key = 'metc:p/n1/meta'");
    expect([outbox.repaired, await outbox.recall("meta:p/n1/meta"), await outbox.recall("courses")]).toEqual([1, "5be1c0aa", null]);
    await outbox.close();
  });

  it("that nobody knows makes every fact that is not there one that cannot be read, but no mark doubtful", async () => {
    const outbox = await altered("UPDATE fact SET key = 'whatever', value = 'garbage'");
    expect([outbox.repaired, outbox.isDoubtful, await outbox.marks()]).toEqual([1, false, MARKS]);
    expect([await outbox.recall("meta:p/n1/meta"), await outbox.recall("courses")]).toEqual(["", ""]);
    await outbox.close();
  });

  it("is found once, and remembered by the next run and under a new name", async () => {
    const directory = await filled(3);
    alter(directory, (db) => db.exec("UPDATE mark SET crc = 0"));
    for (const [index, surroundings] of [NOTHING_AROUND, NOTHING_AROUND, { ...NOTHING_AROUND, machine: "another" }].entries()) {
      const outbox = await openOutbox({ directory, randomBytes, surroundings });
      expect([outbox.repaired, outbox.isDoubtful]).toEqual([index === 0 ? 1 : 0, true]);
      await outbox.close();
    }
    alter(directory, (db) => db.exec("UPDATE store SET machine = 'elsewhere'"));
    const renewed = await openOutbox({ directory, randomBytes, surroundings: { ...NOTHING_AROUND, machine: "another" } });
    expect([renewed.renewed, renewed.isDoubtful]).toEqual(["other-machine", true]);
    await renewed.close();
  });

  it("is none in a store of a release that had no CRC: each gets one", async () => {
    const directory = freshDirectory();
    mkdirSync(directory);
    alter(directory, (db) => {
      migrate(db, OUTBOX_MIGRATIONS.slice(0, 3));
      db.exec(`INSERT INTO store (one, instance, run, clean) VALUES (1, '0badcafe', 3, 1);
        INSERT INTO standing (one, position, seq, bytes, crc) VALUES (1, 0, 0, 0, ${crc32("0 0 0")});
        INSERT INTO mark VALUES ('${STREAM}', 900000, NULL), ('air-1.pm10', 1800000, 900000);
        INSERT INTO fact VALUES ('privacy:terms', '{"é":1}');`);
    });
    const outbox = await open(directory);
    expect([outbox.run, outbox.repaired, outbox.isDoubtful]).toEqual([4, 0, false]);
    expect(await outbox.marks()).toEqual(
      new Map<string, unknown>([
        [STREAM, { closedTo: 900_000, lastStart: null }],
        ["air-1.pm10", { closedTo: 1_800_000, lastStart: 900_000 }],
      ]),
    );
    expect([await outbox.recall("privacy:terms"), await outbox.recall("other")]).toEqual(['{"é":1}', null]);
    await outbox.close();
  });
});

describe("what is settled behind the mark", () => {
  it("is sent again when its record is damaged, and the rest is not", async () => {
    const directory = await filled(10);
    const outbox = await open(directory);
    await outbox.acknowledge(ackedRows([4, 5, 7].map((position) => ({ position, seq: position }))));
    await outbox.close();
    alter(directory, (db) => db.exec("UPDATE ahead SET to_position = 9 WHERE from_position = 4"));
    const again = await open(directory);
    expect(await pendingSeqs(again)).toEqual([3, 4, 5, 6, 8, 9, 10]);
    expect(again.standing()).toMatchObject({ pendingRows: 7, lost: [] });
    await again.acknowledge(ackedRows([3, 4, 5, 6].map((position) => ({ position, seq: position }))));
    expect(again.standing()).toMatchObject({ acknowledgedPosition: 7, firstUnackedSeq: 8 });
    await again.close();
    alter(directory, (db) => expect(db.prepare("SELECT count(*) FROM ahead").pluck().get()).toBe(0));
  });

  it("is not lost when it is damaged: it has arrived", async () => {
    const directory = await filled(8);
    const outbox = await open(directory);
    await outbox.acknowledge(ackedRows([4, 5].map((position) => ({ position, seq: position }))));
    await outbox.close();
    alter(directory, (db) => db.exec("UPDATE outbox SET payload = CAST(payload || 'x' AS BLOB) WHERE position IN (5, 6)"));
    const again = await open(directory);
    expect(await pendingSeqs(again)).toEqual([3, 7, 8]);
    expect(again.standing()).toMatchObject({ lost: [{ fromSeq: 6, toSeq: 6, reason: "damaged" }], pendingRows: 3 });
    await again.close();
  });
});

describe("what damage costs", () => {
  const spoilt = (directory: string, ...positions: readonly number[]) =>
    alter(directory, (db) => db.exec(`UPDATE outbox SET payload = CAST(payload || 'x' AS BLOB) WHERE position IN (${positions.join()})`));

  it("right behind what was acknowledged is called lost by its number", async () => {
    const directory = await filled(6);
    spoilt(directory, 4);
    const outbox = await open(directory);
    expect((await outbox.read(0, 1)).map(({ seq }) => seq)).toEqual([3]);
    await outbox.acknowledge(ackedRows([{ position: 3, seq: 3 }]));
    expect(outbox.standing()).toMatchObject({ firstUnackedSeq: 4 });
    expect(await pendingSeqs(outbox)).toEqual([5, 6]);
    expect(outbox.standing()).toMatchObject({ lost: [{ fromSeq: 4, toSeq: 4, reason: "damaged" }], lostEarlier: 0, firstUnackedSeq: 5 });
    await outbox.close();
  });

  it("is counted once, also when a replay begins behind it, with new rows each time", async () => {
    const directory = await filled(6);
    spoilt(directory, 3);
    const outbox = await open(directory);
    await settle(outbox, 6);
    for (let time = 0; time < 3; time++) {
      const { lastSeq } = outbox.standing();
      await outbox.commit(batchOf(summaries(lastSeq + 1, 2)));
      expect(await outbox.rewind(4)).toEqual({ position: 3, seq: 4 });
      await settle(outbox, lastSeq + 2);
    }
    expect(outbox.standing()).toMatchObject({ lost: [{ fromSeq: 3, toSeq: 3 }], lostEarlier: 0, pendingRows: 0 });
    await outbox.close();
  });

  it("that was a meta is given up once, and makes no other meta be queued again", async () => {
    const directory = freshDirectory();
    const first = await open(directory);
    const other = { message: message("other", 40, "p/n1/gate-1/meta"), seq: null };
    const facts = new Map([["meta:p/n1/gate-1/meta", "5be1c0aa"]]);
    await first.commit({ ...batchOf([...summaries(1, 1), meta("m"), other, ...summaries(2, 1)]), facts });
    await first.close();
    spoilt(directory, 2);
    const outbox = await open(directory);
    for (let time = 0; time < 3; time++) expect((await outbox.read(0, 10)).map(({ position }) => position)).toEqual([1, 3, 4]);
    expect(outbox.standing()).toMatchObject({ givenUp: 1, lost: [], lostEarlier: 0 });
    expect(await outbox.recall("meta:p/n1/gate-1/meta")).toBe("5be1c0aa");
    await outbox.close();
  });
});

describe("the egress log", () => {
  it("says what left, where to, with the numbers that subscribers see, and cannot be rewritten", async () => {
    const directory = await filled(5);
    const outbox = await open(directory);
    await outbox.acknowledge(acked(outbox, 5, 7));
    await outbox.close();
    alter(directory, (db) => {
      expect(db.prepare("SELECT * FROM egress WHERE id = 2").get()).toEqual({
        id: 2,
        at_ms: 7,
        address: "broker.example:8883",
        from_position: 3,
        to_position: 5,
        from_seq: 3,
        to_seq: 5,
        rows: 3,
        bytes: 120,
      });
      expect(() => db.exec("UPDATE egress SET address = 'elsewhere'")).toThrow("append-only");
    });
  });

  it("names what overtook a row that waits, by itself, with its own address, and the mark that it is kept for a replay by", async () => {
    const directory = await filled(10);
    const outbox = await open(directory);
    const sent = (seqs: readonly number[], address: string, at: number) =>
      seqs.map((seq) => ({ position: seq, seq, bytes: 40, at: epochMs(at), address }));
    await outbox.acknowledge({ sent: [...sent([7, 4, 5], "a:1", 10), ...sent([8, 9], "b:1", 20)], refused: [] });
    await outbox.acknowledge({ sent: sent([6, 3], "b:1", 30), refused: [] });
    await outbox.acknowledge({ sent: sent([5, 6], "b:1", 40), refused: [] });
    await outbox.close();
    alter(directory, (db) => {
      const entries = db.prepare("SELECT at_ms, address, to_position, from_seq, to_seq, rows FROM egress WHERE id > 1").raw().all();
      expect(entries).toEqual([
        [10, "a:1", 2, 4, 5, 2],
        [10, "a:1", 2, 7, 7, 1],
        [20, "b:1", 2, 8, 9, 2],
        [30, "b:1", 9, 3, 3, 1],
        [30, "b:1", 9, 6, 6, 1],
      ]);
      expect(db.prepare("SELECT count(*) FROM ahead").pluck().get(), "the mark has passed them").toBe(0);
    });
  });

  it("forgets by age and by size, the oldest first", async () => {
    const directory = freshDirectory();
    const outbox = await open(directory);
    fillEgress(directory, 1_500, 0);
    const ids = () => {
      const found: unknown[] = [];
      alter(directory, (db) => found.push(...db.prepare("SELECT min(id), max(id), count(*) FROM egress").raw().all()));
      return found[0];
    };
    expect(await trimAll(outbox, { egressBefore: epochMs(301) })).toBe(300);
    expect(ids()).toEqual([301, 1_500, 1_200]);
    expect(await trimAll(outbox, { egressBytesMax: 100 * EGRESS_ROW_BYTES })).toBe(1_100);
    expect(ids()).toEqual([1_401, 1_500, 100]);
    expect(TRIM_ROWS_MAX).toBeLessThan(1_100);
    await outbox.close();
  });

  it("takes no more room for a row than its size limit reckons with", async () => {
    const directory = freshDirectory();
    await (await open(directory)).close();
    fillEgress(directory, 2_000, 1_795_000_000_000);
    alter(directory, (db) => {
      const bytes = db.prepare("SELECT sum(pgsize) FROM dbstat WHERE name = 'egress'").pluck().get() as number;
      expect(bytes / 2_000).toBeLessThanOrEqual(EGRESS_ROW_BYTES);
    });
  });
});

describe("a store without room", () => {
  /** A store with rows 1 to `count`, of which the first 100 are acknowledged, on a disk that has no room as long as `isFull`. */
  async function onFullDisk(count: number) {
    const disk = { isFull: false, directory: freshDirectory() };
    const outbox = await openOutbox({ directory: disk.directory, randomBytes, free: () => (disk.isFull ? 1_000 : 1e9) });
    await outbox.commit(batchOf(summaries(1, count)));
    await outbox.acknowledge(acked(outbox, 100));
    disk.isFull = true;
    return { disk, outbox };
  }

  it("does not grow: what was acknowledged goes first, then what has waited longest, and no more than it takes", async () => {
    const { outbox, disk } = await onFullDisk(400);
    const sizes = new Set<number>();
    let firstLoss = 0;
    for (let seq = 401; seq <= 1_000; seq++) {
      await outbox.commit(batchOf(summaries(seq, 1)));
      expect(outbox.standing().isShort).toBe(true);
      if (seq > 450) sizes.add(statSync(dbOf(disk.directory)).size + statSync(`${dbOf(disk.directory)}-wal`).size);
      if (firstLoss === 0 && outbox.standing().lost.length > 0) firstLoss = seq;
    }
    // A hundred summaries that nobody needed any more made room for about as many.
    expect(firstLoss).toBeGreaterThan(470);
    expect(sizes.size).toBeLessThanOrEqual(2);
    const { lost, firstUnackedSeq, pendingRows } = outbox.standing();
    expect(lost).toEqual([{ fromSeq: 101, toSeq: (firstUnackedSeq ?? 0) - 1, reason: "disk-full" }]);
    expect(pendingRows).toBeGreaterThan(250);
    expect(await pendingSeqs(outbox)).toEqual(Array.from({ length: pendingRows }, (_, at) => 1_000 - pendingRows + 1 + at));
    await outbox.close();
  });

  it("rejects with OUTBOX_FULL what does not fit at all, has written nothing of it, and goes on when there is room", async () => {
    const { outbox, disk } = await onFullDisk(200);
    const { lastSeq, lastPosition } = outbox.standing();
    await expect(outbox.commit(batchOf(summaries(201, 3_000)))).rejects.toMatchObject({ code: "OUTBOX_FULL" });
    expect(outbox.standing()).toMatchObject({ lastSeq, lastPosition, isShort: true });
    disk.isFull = false;
    await outbox.commit(batchOf(summaries(201, 3_000)));
    expect(outbox.standing()).toMatchObject({ lastSeq: 3_200, isShort: false });
    await outbox.close();
  });

  it("has a ballast to give away, and takes it back when there is room for it and as much beside it", async () => {
    let free = 1e9;
    const directory = freshDirectory();
    const outbox = await openOutbox({ directory, randomBytes, free: () => free });
    const ballast = join(directory, "node.ballast");
    await outbox.keepBallast();
    expect(statSync(ballast).size).toBe(8 * 1024 * 1024);
    rmSync(ballast);
    free = 16 * 1024 * 1024 - 1;
    await outbox.keepBallast();
    expect(readdirSync(directory)).not.toContain("node.ballast");
    await outbox.close();
    expect(readdirSync(directory)).toEqual(["node.db"]);
  });

  it("starts with the room of the ballast when the disk is full at start", async () => {
    const directory = await filled(3);
    const plan = new FaultPlan();
    const isThere = () => existsSync(join(directory, "node.ballast"));
    const connect: Connect = (path) => {
      if (isThere()) plan.arm(1, { code: "SQLITE_FULL", sticky: true });
      else plan.disarm();
      return faultyConnect(plan)(path);
    };
    writeFileSync(join(directory, "node.ballast"), "room");
    const outbox = await open(directory, connect);
    expect([isThere(), outbox.quarantined, await pendingSeqs(outbox)]).toEqual([false, null, [3]]);
    await outbox.close();
  });
});

describe("a damaged store", () => {
  const quarantinedIn = (directory: string) => readdirSync(directory).filter((name) => name.includes("corrupt"));

  it("is moved aside, a fresh one is made, and an earlier one is kept until nothing is to be had from it any more", async () => {
    const directory = await filled(3);
    const instances: string[] = [];
    for (const round of [1, 2]) {
      writeFileSync(dbOf(directory), `garbage of round ${round}`.padEnd(8192));
      const outbox = await open(directory);
      instances.push(outbox.instance);
      expect(outbox.quarantined).toBe(join(directory, `node.db.corrupt-${round}`));
      expect(quarantinedIn(directory)).toHaveLength(round);
      expect(readFileSync(outbox.quarantined ?? "", "utf8")).toContain(`garbage of round ${round}`);
      expect(outbox.standing().lastSeq).toBe(0);
      if (round === 2) await salvage(directory, outbox, { bytesMax: 1e9, isPatient: true, goesOn: () => Promise.resolve(true) });
      await outbox.close();
    }
    expect(new Set(instances).size).toBe(2);
    expect(quarantinedIn(directory)).toEqual(["node.db.corrupt-2"]);
  });

  it("is moved aside together with its WAL and index, beside what was put there before", () => {
    const directory = freshDirectory();
    mkdirSync(directory);
    for (const content of ["first", "second"]) {
      for (const file of databaseFiles(dbOf(directory)).slice(0, 3)) writeFileSync(file, content);
      quarantine(dbOf(directory));
    }
    const files = [1, 2].flatMap((n) => ["", "-shm", "-wal"].map((suffix) => `node.db.corrupt-${n}${suffix}`));
    expect(readdirSync(directory).sort()).toEqual(files);
    expect(readFileSync(join(directory, "node.db.corrupt-2-wal"), "utf8")).toBe("second");
  });

  it("is checked through after a stop that was not clean", async () => {
    const directory = await filled(200);
    const outbox = await open(directory);
    for (const [index, file] of databaseFiles(dbOf(directory)).entries()) {
      if (existsSync(file)) copyFileSync(file, databaseFiles(dbOf(root))[index] ?? "");
    }
    await outbox.close();
    // A page deep in the file, which nothing reads at start.
    const bytes = readFileSync(dbOf(root));
    bytes.fill(0xa5, bytes.length - 4096);
    writeFileSync(dbOf(root), bytes);
    const again = await open(root);
    expect(again.quarantined).toBe(join(root, "node.db.corrupt-1"));
    await again.close();
  });

  it("does not begin with the WAL of a database that was moved away", async () => {
    const directory = await filled(3);
    const outbox = await open(directory);
    await outbox.commit(batchOf(summaries(4, 1)));
    const wal = readFileSync(`${dbOf(directory)}-wal`);
    await outbox.close();
    rmSync(dbOf(directory));
    writeFileSync(`${dbOf(directory)}-wal`, wal);
    const fresh = await open(directory);
    expect([fresh.quarantined, fresh.standing().lastSeq, fresh.instance === outbox.instance]).toEqual([null, 0, false]);
    await fresh.close();
  });

  it("is not told from a newer one by a single flipped bit of its version", async () => {
    const directory = await filled(3);
    alter(directory, (db) => db.pragma(`user_version = ${OUTBOX_MIGRATIONS.length + 1}`));
    const outbox = await open(directory);
    expect(outbox.quarantined).toContain("corrupt-1");
    await outbox.close();
  });

  it("is given up by reopen, and moved aside at the next start", async () => {
    const directory = await filled(200);
    const outbox = await open(directory);
    await outbox.commit(batchOf(summaries(201, 1)));
    writeFileSync(dbOf(directory), readFileSync(dbOf(directory)).fill(0xa5, 4096));
    await expect(outbox.reopen()).rejects.toMatchObject({ code: "OUTBOX_IO" });
    await expect(outbox.commit(batchOf(summaries(202, 1)))).rejects.toMatchObject({ code: "OUTBOX_IO" });
    await outbox.close();
    const next = await open(directory);
    expect(next.quarantined).not.toBeNull();
    await next.close();
  });
});

describe("a damaged row", () => {
  const damage = (directory: string, ...positions: number[]) =>
    alter(directory, (db) => {
      for (const position of positions)
        db.prepare("UPDATE outbox SET payload = CAST(payload || 'x' AS BLOB) WHERE position = ?").run(position);
    });

  it.each([
    ["in the middle", [5], [3, 4, 6, 7, 8], [[5, 5]]],
    ["at the head", [3], [4, 5, 6, 7, 8], [[3, 3]]],
    ["at the end", [7, 8], [3, 4, 5, 6], [[7, 8]]],
    [
      "here and there",
      [3, 5, 6, 8],
      [4, 7],
      [
        [3, 3],
        [5, 6],
        [8, 8],
      ],
    ],
    ["everywhere", [3, 4, 5, 6, 7, 8], [], [[3, 8]]],
  ])("%s is left out and its number reported as lost, page size regardless", async (_where, positions, left, lost) => {
    const directory = await filled(8);
    damage(directory, ...positions);
    const outbox = await open(directory);
    const seen: (number | null)[] = [];
    for (let cursor = 0; ; ) {
      const rows = await outbox.read(cursor, 2);
      seen.push(...rows.map((row) => row.seq));
      const last = rows.at(-1);
      if (last === undefined) break;
      cursor = last.position;
    }
    expect(seen).toEqual(left);
    const ranges = lost.map(([fromSeq, toSeq]) => ({ fromSeq, toSeq, reason: "damaged" }));
    expect(outbox.standing()).toMatchObject({ lastSeq: 8, lost: ranges });
    // Whatever is left is acknowledged: then nothing waits any more.
    const last = left.at(-1);
    if (last !== undefined) await settle(outbox, last);
    expect(await outbox.read(last ?? 0, 10)).toEqual([]);
    expect(outbox.standing()).toMatchObject({ pendingRows: 0, pendingBytes: 0, firstUnackedSeq: null });
    await outbox.close();
    const again = await open(directory);
    await again.commit(batchOf(summaries(9, 1)));
    expect(await pendingSeqs(again)).toEqual([9]);
    expect(again.standing().lost).toEqual(ranges);
    await again.close();
  });

  it.each([
    ["seq", "seq + 1"],
    ["topic", "'elsewhere'"],
    ["retain", "1 - retain"],
    ["expiry_s", "NULL"],
    ["made_ms", "made_ms + 1"],
    ["end_bytes", "end_bytes - 1"],
    ["crc", "crc + 1"],
  ])("is noticed by its CRC when only %s is wrong", async (column, value) => {
    const directory = await filled(5);
    alter(directory, (db) => db.exec(`UPDATE outbox SET ${column} = ${value} WHERE position = 4`));
    const outbox = await open(directory);
    expect(await pendingSeqs(outbox)).toEqual([3, 5]);
    expect(outbox.standing().lost).toEqual([{ fromSeq: 4, toSeq: 4, reason: "damaged" }]);
    await outbox.close();
  });

  it("of a meta is given up, and with it the note that the broker has that meta: it is queued again", async () => {
    const directory = freshDirectory();
    const outbox = await open(directory);
    const meta = sealMessage({ topic: "city/n/air/meta", payload: Buffer.from("{}"), retain: true, expirySeconds: null });
    const facts = new Map([["meta:city/n/air/meta", "0badcafe"]]);
    await outbox.commit({ ...batchOf([...summaries(1, 1), { message: meta, seq: null }, ...summaries(2, 1)]), facts });
    await outbox.close();
    alter(directory, (db) => db.exec("UPDATE outbox SET payload = CAST('{ }' AS BLOB) WHERE position = 2"));
    const again = await open(directory);
    expect(await pendingSeqs(again)).toEqual([1, 2]);
    expect(again.standing()).toMatchObject({ lost: [], lostEarlier: 0, givenUp: 1 });
    expect(await again.recall("meta:city/n/air/meta")).toBeNull();
    await again.close();
  });

  it("that has vanished is noticed by the hole that it leaves", async () => {
    const directory = await filled(6);
    alter(directory, (db) => db.exec("DELETE FROM outbox WHERE position = 4"));
    const outbox = await open(directory);
    expect(await pendingSeqs(outbox)).toEqual([3, 5, 6]);
    expect(outbox.standing().lost).toEqual([{ fromSeq: 4, toSeq: 4, reason: "damaged" }]);
    await outbox.close();
  });

  it("at the end never has its number given to another summary", async () => {
    const directory = await filled(4);
    damage(directory, 4);
    const outbox = await open(directory);
    expect(outbox.standing()).toMatchObject({ lastSeq: 4, lastPosition: 4 });
    await outbox.close();
  });
});

describe("a damaged high-water mark", () => {
  it("costs a second sending of what is still there, never a summary", async () => {
    const directory = await filled(6);
    alter(directory, (db) => db.exec("UPDATE standing SET position = 6, seq = 6"));
    const outbox = await open(directory);
    expect(outbox.quarantined).toBeNull();
    expect(await pendingSeqs(outbox)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(outbox.standing()).toMatchObject({ pendingBytes: 240, acknowledgedPosition: 0, firstUnackedSeq: 1 });
    await outbox.close();
  });

  it("with no rows to find it from is a damaged store", async () => {
    const directory = await filled(2);
    alter(directory, (db) => db.exec("DELETE FROM outbox; UPDATE standing SET position = 0"));
    const outbox = await open(directory);
    expect(outbox.quarantined).not.toBeNull();
    await outbox.close();
  });
});
