import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { afterRun, BEGIN, END, type FaultRows, faultRows, readSaid, withFaultTable } from "../support/fault-table.ts";

const ROOT = join(import.meta.dirname, "../..");
const said = { fault: "Disk full", injected: "a tmpfs of 2 MB", promised: "goes on", measured: "0 lost", test: "test/faults/a.test.ts" };
const old: FaultRows = [
  { ...said, measured: "an old figure", on: "2026-01-01" },
  { ...said, test: "test/faults/b.test.ts", on: "2026-01-01" },
  { ...said, test: "test/faults/gone.test.ts", on: "2026-01-01" },
];

it("README.md has the fault table that was kept of the last runs", () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const rows = faultRows.parse(JSON.parse(readFileSync(join(ROOT, "test/faults/rows.json"), "utf8")));
  expect(withFaultTable(readme, rows)).toBe(readme);
});

it("a run replaces the rows of the files that it ran, keeps others, and forgets files that are gone", () => {
  const rows = afterRun(old, [said], { on: "2026-11-26", isPart: false, exists: (test) => !test.includes("gone") });
  expect(rows.map(({ test, measured, on }) => [test, measured, on])).toEqual([
    ["test/faults/a.test.ts", "0 lost", "2026-11-26"],
    ["test/faults/b.test.ts", "0 lost", "2026-01-01"],
  ]);
});

it("a file that says several rows keeps them all", () => {
  const rows = afterRun([], readSaid(`${JSON.stringify(said)}\n${JSON.stringify({ ...said, fault: "Card dies" })}\n`), {
    on: "2026-11-26",
    isPart: false,
    exists: () => true,
  });
  expect(rows.map(({ fault }) => fault)).toEqual(["Card dies", "Disk full"]);
});

it("a run of some tests of a file keeps what the others of that file said", () => {
  const before: FaultRows = ["Card dies", "Disk full"].map((fault) => ({ ...said, fault, on: "2026-01-01" }));
  const rows = afterRun(before, [said], { on: "2026-11-26", isPart: true, exists: () => true });
  expect(rows.map(({ fault, on }) => [fault, on])).toEqual([
    ["Card dies", "2026-01-01"],
    ["Disk full", "2026-11-26"],
  ]);
});

it("the table stands between its marks and nothing else is touched", () => {
  const text = withFaultTable(`before\n${BEGIN}\nwhatever\n${END}\nafter\n`, old.slice(0, 1));
  expect(text).toMatch(/^before\n.*\n\n\| Fault .*\n\| -+ .*\n\| Disk full \|.*a\.test\.ts\) \|\n\n<!-- \/faults -->\nafter\n$/s);
});
