import Database from "better-sqlite3";
import type { Connect, Connection } from "../adapters/sqlite/database.ts";
import type { Disk, Statement, StoreName } from "../testing/simulation/machine.ts";

const CALLS = ["run", "get", "all"] as const;

/**
 * Connections over a simulated disk, which is asked before every statement, and after every transaction that was committed: the two
 * outcomes that the caller of a failed write must reckon with.
 */
export function shakyConnect(store: StoreName, disk: Disk, opened: (db: Connection) => void): Connect {
  const step = (what: Statement): void => {
    const fate = disk.step(store, what);
    if (fate !== "done") throw new Database.SqliteError("simulated", fate);
  };
  return (path) => {
    const db: Connection = new Database(path);
    opened(db);
    const prepare = db.prepare.bind(db);
    const transaction = db.transaction.bind(db);
    const pragma = db.pragma.bind(db);
    const shakyPrepare = (sql: string) => {
      const statement = prepare(sql);
      for (const method of CALLS) {
        const call = statement[method].bind(statement) as (...parameters: unknown[]) => unknown;
        const what = statement.readonly ? "read" : "write";
        const shaky = (...parameters: unknown[]): unknown => {
          step(what);
          return call(...parameters);
        };
        Object.defineProperty(statement, method, { value: shaky });
      }
      return statement;
    };
    const shakyTransaction = (work: () => unknown) => {
      const run = transaction(work);
      return (): unknown => {
        const result = run();
        step("committed");
        return result;
      };
    };
    const shakyPragma: typeof db.pragma = (text, options) => {
      step("read");
      return pragma(text, options);
    };
    return Object.defineProperties(db, {
      prepare: { value: shakyPrepare },
      transaction: { value: shakyTransaction },
      pragma: { value: shakyPragma },
    });
  };
}
