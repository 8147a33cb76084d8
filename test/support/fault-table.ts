import { appendFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { expect } from "vitest";
import { z } from "zod";

/** One row of the README's fault table, said by the test that injected the fault and saw the promise kept. */
export interface FaultRow {
  /** What goes wrong, in an operator's words: "power cut while committing". */
  readonly fault: string;
  /** How the test makes it happen, and how often. */
  readonly injected: string;
  /** What the node promises then, with its number. */
  readonly promised: string;
  /** What this run saw, with numbers. */
  readonly measured: string;
}

const row = z.strictObject({ fault: z.string(), injected: z.string(), promised: z.string(), measured: z.string(), test: z.string() });

/** Rows as they are kept in test/faults/rows.json: by the test file that said them, with the day of the run. */
export const faultRows = z.array(row.extend({ on: z.iso.date() }));
export type FaultRows = z.infer<typeof faultRows>;

/** Names the file that rows of this run are appended to; set by test/setup/fault-rows.ts, absent in a run of `npm test`. */
export const ROWS_OF_THIS_RUN = "STOEP_FAULT_ROWS";

const ROOT = resolve(import.meta.dirname, "../..");

/** Says a row of the fault table. Call it last in a test: a row stands for a promise that was seen to be kept. */
export function faultRow(said: FaultRow): void {
  const file = process.env[ROWS_OF_THIS_RUN];
  if (file === undefined) return;
  const test = relative(ROOT, expect.getState().testPath ?? "");
  appendFileSync(file, `${JSON.stringify({ ...said, test })}\n`);
}

/** Rows said in a run, one JSON object a line. */
export function readSaid(text: string): readonly z.infer<typeof row>[] {
  const lines = text.split("\n").filter((line) => line !== "");
  return lines.map((line) => row.parse(JSON.parse(line)));
}

/** A run of the fault tests. */
export interface FaultRun {
  readonly on: string;
  /** Only tests of certain names were run. */
  readonly isPart: boolean;
  exists(test: string): boolean;
}

/**
 * What is kept after a run: the rows of the files that said any, instead of their old ones, or of their old ones for the same faults
 * when not all tests of a file were run; none of files that are gone.
 */
export function afterRun(kept: FaultRows, said: ReturnType<typeof readSaid>, { on, isPart, exists }: FaultRun): FaultRows {
  const place = ({ test, fault }: { test: string; fault: string }) => (isPart ? `${test}\n${fault}` : test);
  const renewed = new Set(said.map(place));
  const rows = [...kept.filter((row) => !renewed.has(place(row)) && exists(row.test)), ...said.map((one) => ({ ...one, on }))];
  const key = ({ test, fault, injected }: FaultRows[number]) => `${fault}\n${injected}\n${test}`;
  return rows.sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

export const BEGIN = "<!-- faults: written by `npm run test:faults` -->";
export const END = "<!-- /faults -->";

/** The README with the table between its two marks. */
export function withFaultTable(readme: string, rows: FaultRows): string {
  const begin = readme.indexOf(BEGIN);
  const end = readme.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`README.md has no pair of lines "${BEGIN}" and "${END}"`);
  return `${readme.slice(0, begin)}${BEGIN}\n\n${table(rows)}\n${readme.slice(end)}`;
}

function table(rows: FaultRows): string {
  const cells = rows.map((one) => [one.fault, one.injected, one.promised, one.measured, `[${one.on}](${one.test})`]);
  const all = [
    ["Fault", "Injected", "Promised", "Measured", "Test"],
    ...cells.map((line) => line.map((cell) => cell.replaceAll("|", "\\|"))),
  ];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((line) => line[column]?.length ?? 0)));
  const text = (line: readonly string[]) => `| ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |\n`;
  const [head = "", ...body] = all.map(text);
  return [head, text(widths.map((width) => "-".repeat(width))), ...body].join("");
}
