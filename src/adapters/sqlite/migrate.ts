import { type Connection, StoreError } from "./database.ts";

/** SQL that leads from one version of a schema to the next; its place in the list, counted from 1, is the version it makes. */
export type Migration = string;

/** "St" in the upper half of the application id; the lower half repeats the schema version. */
const APPLICATION = 0x5374_0000;
const VERSION_MAX = 0xffff;

/**
 * The schema version of a file, 0 for an empty one. The version stands in the header twice, because one flipped bit must not
 * make a damaged file look like a newer one: damaged files are moved aside, newer ones are refused. Throws `STORE_DAMAGED`.
 */
export function schemaVersion(db: Connection): number {
  const version = Number(db.pragma("user_version", { simple: true }));
  const application = Number(db.pragma("application_id", { simple: true }));
  if (version > 0 && version <= VERSION_MAX && application === APPLICATION + version) return version;
  const tables = db.prepare<[], number>("SELECT count(*) FROM sqlite_schema").pluck().get();
  if (version === 0 && application === 0 && tables === 0) return 0;
  throw new StoreError("STORE_DAMAGED", `not a store of Stoep: schema ${version}, application ${application}`);
}

/** Brings a file to the last version, each step in a transaction of its own. A file of a later release is refused. */
export function migrate(db: Connection, migrations: readonly Migration[]): void {
  const found = schemaVersion(db);
  if (found > migrations.length) {
    throw new StoreError("STORE_SCHEMA_NEWER", `schema ${found}; this release knows ${migrations.length}`);
  }
  for (const [index, sql] of migrations.entries()) {
    const version = index + 1;
    if (version <= found) continue;
    db.transaction(() => {
      db.exec(sql);
      stampVersion(db, version);
    })();
  }
}

/** Writes the schema version into the header, twice (see `schemaVersion`). */
export function stampVersion(db: Connection, version: number): void {
  db.pragma(`user_version = ${version}`);
  db.pragma(`application_id = ${APPLICATION + version}`);
}
