import Database from "better-sqlite3";
import type { Connect, Connection } from "../../../src/adapters/sqlite/database.ts";

/** Which call of SQLite fails, counted from when it was armed; `sticky`: and every one after it. */
export class FaultPlan {
  calls = 0;
  #failAt = Number.POSITIVE_INFINITY;
  #sticky = false;
  #code = "SQLITE_IOERR_WRITE";

  arm(failAt: number, options: { sticky?: boolean; code?: string } = {}): void {
    this.calls = 0;
    this.#failAt = failAt;
    this.#sticky = options.sticky ?? false;
    this.#code = options.code ?? "SQLITE_IOERR_WRITE";
  }

  disarm(): void {
    this.#failAt = Number.POSITIVE_INFINITY;
  }

  step(): void {
    this.calls++;
    const fails = this.#sticky ? this.calls >= this.#failAt : this.calls === this.#failAt;
    if (fails) throw new Database.SqliteError("injected", this.#code);
  }
}

/**
 * Connections of which any statement can be made to fail before it runs, and any transaction after it was committed: the two
 * outcomes that the caller of a failed write must reckon with.
 */
export function faultyConnect(plan: FaultPlan): Connect {
  return (path) => {
    const db: Connection = new Database(path);
    const prepare = db.prepare.bind(db);
    const transaction = db.transaction.bind(db);
    const faulty = (sql: string) => {
      const statement = prepare(sql);
      for (const method of ["run", "get", "all"] as const) {
        const call = statement[method].bind(statement) as (...parameters: unknown[]) => unknown;
        const failing = (...parameters: unknown[]) => {
          plan.step();
          return call(...parameters);
        };
        Object.defineProperty(statement, method, { value: failing });
      }
      return statement;
    };
    const committing = (work: () => unknown) => {
      const run = transaction(work);
      return () => {
        const result = run();
        plan.step();
        return result;
      };
    };
    return Object.defineProperties(db, { prepare: { value: faulty }, transaction: { value: committing } });
  };
}
