import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { assertEngine, ENGINE_MIN, openDatabase, storeFault } from "../../src/adapters/sqlite/database.ts";
import { migrate, schemaVersion } from "../../src/adapters/sqlite/migrate.ts";

describe("the engine", () => {
  it.each(["3.51.2", "3.40.1", "3.50.9", "2.99.99", ""])("is refused when it is %s", (version) => {
    expect(() => assertEngine(version)).toThrow(expect.objectContaining({ code: "STORE_ENGINE_OLD" }));
  });

  it.each([ENGINE_MIN, "3.51.10", "3.53.2", "4.0.0"])("is taken when it is %s", (version) => {
    expect(() => assertEngine(version)).not.toThrow();
  });

  it("that is installed is one of them", () => {
    const settings = {
      synchronous: "OFF",
      exclusive: true,
      secureDelete: true,
      pageBytes: 4096,
      checkpointPages: 100,
      walBytesMax: 0,
    } as const;
    const db = openDatabase(":memory:", settings);
    expect(db.pragma("secure_delete", { simple: true })).toBe(1);
    db.close();
  });
});

describe("a migration", () => {
  const STEPS = ["CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO b VALUES (7)", "ALTER TABLE a ADD COLUMN y"];

  it("takes the steps that are missing, whichever version it starts from", () => {
    for (let version = 0; version <= STEPS.length; version++) {
      const db = new Database(":memory:");
      migrate(db, STEPS.slice(0, version));
      migrate(db, STEPS);
      migrate(db, STEPS);
      expect(schemaVersion(db)).toBe(3);
      expect(db.prepare("SELECT count(*) FROM b").pluck().get()).toBe(1);
      db.close();
    }
  });

  it("that fails leaves the version before it, whole", () => {
    const db = new Database(":memory:");
    const broken = [STEPS[0] ?? "", "CREATE TABLE b (x); CREATE TABLE a (x)", STEPS[2] ?? ""];
    expect(() => migrate(db, broken)).toThrow("already exists");
    expect(schemaVersion(db)).toBe(1);
    expect(db.prepare("SELECT name FROM sqlite_schema").pluck().all()).toEqual(["a"]);
    db.close();
  });

  it("never goes back", () => {
    const db = new Database(":memory:");
    migrate(db, STEPS);
    expect(() => migrate(db, STEPS.slice(0, 2))).toThrow(expect.objectContaining({ code: "STORE_SCHEMA_NEWER" }));
    db.close();
  });

  it("does not touch a database of somebody else", () => {
    const db = new Database(":memory:");
    db.exec("CREATE TABLE theirs (x)");
    expect(() => migrate(db, STEPS)).toThrow(expect.objectContaining({ code: "STORE_DAMAGED" }));
    db.close();
  });
});

describe("an error of SQLite", () => {
  it.each([
    ["SQLITE_FULL", "full"],
    ["SQLITE_IOERR_FSYNC", "io"],
    ["SQLITE_IOERR_SHMSIZE", "io"],
    ["SQLITE_CORRUPT_INDEX", "damaged"],
    ["SQLITE_NOTADB", "damaged"],
    ["SQLITE_ERROR", "damaged"],
    ["SQLITE_BUSY", "refused"],
    ["SQLITE_READONLY", "refused"],
    ["SQLITE_CANTOPEN", "refused"],
    ["SQLITE_READONLY_DBMOVED", "refused"],
  ])("%s means that the store is %s, on a disk with room", (code, fault) => {
    expect(storeFault(new Database.SqliteError("", code), "/nowhere/node.db")).toBe(fault);
  });

  it("is told from a bug of ours", () => {
    expect(storeFault(new TypeError("x is not a function"), "/nowhere/node.db")).toBeNull();
  });
});
