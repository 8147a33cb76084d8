import { randomBytes } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import Database from "better-sqlite3";
import { afterAll, describe, expect, it } from "vitest";
import { defineCrc } from "../../src/adapters/sqlite/checked-rows.ts";
import { type Connection, databaseFiles } from "../../src/adapters/sqlite/database.ts";
import { migrate, schemaVersion, stampVersion } from "../../src/adapters/sqlite/migrate.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { OUTBOX_MIGRATIONS } from "../../src/adapters/sqlite/outbox-schema.ts";

const root = mkdtempSync(join(tmpdir(), "stoep-migration-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A store as an earlier release left it. */
function storeOf(version: number, directory: string): void {
  mkdirSync(directory, { recursive: true });
  const db = new Database(join(directory, "node.db"));
  db.pragma("journal_mode = WAL");
  migrate(db, OUTBOX_MIGRATIONS.slice(0, version));
  db.exec(`INSERT INTO store (one, instance, run, clean) VALUES (1, '0badcafe', 1, 0);
    INSERT INTO standing (one, position, seq, bytes, crc) VALUES (1, 0, 0, 0, ${crc32("0 0 0")});
    INSERT INTO mark (stream, closed_to_ms) VALUES ('air-1.pm25', 900000);
    INSERT INTO fact (key, value) VALUES ('meta:a', '5be1c0aa');`);
  db.close();
}

/** Single statements of a migration; a trigger has semicolons inside. */
const statementsOf = (sql: string): string[] => sql.split(/;\n(?!\s|END)/).filter((one) => one.trim() !== "");

/** The files as a kill leaves them while `db` has them open. */
function copyOf(directory: string, copy: string): void {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy);
  const targets = databaseFiles(join(copy, "node.db"));
  for (const [index, file] of databaseFiles(join(directory, "node.db")).entries()) {
    if (existsSync(file) && !file.endsWith("-shm")) copyFileSync(file, targets[index] ?? "");
  }
}

async function expectMigrated(directory: string): Promise<void> {
  const outbox = await openOutbox({ directory, randomBytes });
  expect([outbox.quarantined, outbox.instance, outbox.repaired]).toEqual([null, "0badcafe", 0]);
  expect([...(await outbox.marks())]).toEqual([["air-1.pm25", { closedTo: 900_000, lastStart: null }]]);
  expect(await outbox.recall("meta:a")).toBe("5be1c0aa");
  await outbox.close();
  const db = new Database(join(directory, "node.db"), { readonly: true });
  expect(schemaVersion(db)).toBe(OUTBOX_MIGRATIONS.length);
  db.close();
}

describe("a kill during a migration", () => {
  /** Goes from `version` to the next one statement by statement, as `migrate` does, and calls `killed` after each. */
  async function stepwise(db: Connection, version: number, inOne: boolean, killed: () => Promise<void>): Promise<number> {
    let kills = 0;
    const step = async (work: () => void) => {
      work();
      kills++;
      await killed();
    };
    if (inOne) db.exec("BEGIN");
    for (const sql of statementsOf(OUTBOX_MIGRATIONS[version] ?? "")) await step(() => db.exec(sql));
    await step(() => stampVersion(db, version + 1));
    if (inOne) await step(() => db.exec("COMMIT"));
    return kills;
  }

  it.each([1, 2, 3])("after any statement from version %s on leaves a store that the next start migrates whole", async (version) => {
    const directory = join(root, `from-${version}`);
    storeOf(version, directory);
    const db = new Database(join(directory, "node.db"));
    // Small enough that the transaction reaches the WAL before it is committed.
    db.pragma("cache_size = 1");
    defineCrc(db);
    const kills = await stepwise(db, version, true, async () => {
      copyOf(directory, join(root, "killed"));
      await expectMigrated(join(root, "killed"));
    });
    expect(kills).toBeGreaterThan(2);
    db.close();
    await expectMigrated(directory);
  });

  it("and this finds a migration that is no transaction", async () => {
    const directory = join(root, "torn");
    storeOf(3, directory);
    const db = new Database(join(directory, "node.db"));
    defineCrc(db);
    const outcomes: string[] = [];
    await stepwise(db, 3, false, async () => {
      copyOf(directory, join(root, "killed"));
      outcomes.push(
        await expectMigrated(join(root, "killed")).then(
          () => "whole",
          () => "torn",
        ),
      );
    });
    expect(outcomes).toContain("torn");
    db.close();
  });
});
