import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { TestProject } from "vitest/node";
import { afterRun, faultRows, ROWS_OF_THIS_RUN, readSaid, withFaultTable } from "../support/fault-table.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const ROWS = join(ROOT, "test/faults/rows.json");
const README = join(ROOT, "README.md");

/** vitest runs this around `npm run test:faults`: rows that its tests say are kept in rows.json and stand in the README. */
export function setup({ config }: TestProject): () => void {
  const folder = mkdtempSync(join(tmpdir(), "stoep-faults-"));
  const file = join(folder, "rows");
  writeFileSync(file, "");
  process.env[ROWS_OF_THIS_RUN] = file;
  return () => {
    const kept = faultRows.parse(JSON.parse(readFileSync(ROWS, "utf8")));
    const rows = afterRun(kept, readSaid(readFileSync(file, "utf8")), {
      on: new Date().toISOString().slice(0, 10),
      isPart: config.testNamePattern !== undefined,
      exists: (test) => existsSync(join(ROOT, test)),
    });
    writeFileSync(ROWS, `${JSON.stringify(rows, null, 2)}\n`);
    writeFileSync(README, withFaultTable(readFileSync(README, "utf8"), rows));
    rmSync(folder, { recursive: true });
  };
}
