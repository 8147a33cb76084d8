import { parseArgs } from "node:util";
import { threeDigits } from "./figures.ts";
import { machineFacts } from "./machine.ts";
import type { Effort, Figure, Row } from "./row.ts";
import { ROWS } from "./rows/rows.ts";

interface Done extends Figure {
  readonly row: Row;
}

const { values } = parseArgs({
  options: { only: { type: "string", multiple: true }, quick: { type: "boolean" }, json: { type: "boolean" } },
});

function chosen(): readonly Row[] {
  const { only } = values;
  if (only === undefined) return ROWS;
  // `decode-*` names all that begin so.
  const isMeant = (asked: string, name: string): boolean => (asked.endsWith("*") ? name.startsWith(asked.slice(0, -1)) : name === asked);
  const unknown = only.filter((asked) => !ROWS.some(({ name }) => isMeant(asked, name)));
  if (unknown.length === 0) return ROWS.filter(({ name }) => only.some((asked) => isMeant(asked, name)));
  process.stderr.write(`no row is called ${unknown.join(", ")}; there are ${ROWS.map(({ name }) => name).join(", ")}\n`);
  process.exit(64);
}

function effortFor(name: string): Effort {
  const isQuick = values.quick === true;
  return { isQuick, of: (full, quick) => (isQuick ? quick : full), say: (text) => void process.stderr.write(`  ${name}: ${text}\n`) };
}

function line({ row, measured, baseline, ratio, isReached }: Done): string {
  const cells = [
    row.what,
    measured,
    baseline ?? "-",
    ratio === null ? "-" : `${threeDigits(ratio)} x`,
    row.reach,
    isReached ? "ok" : "SHORT",
  ];
  return `| ${cells.join(" | ")} |`;
}

function table(done: readonly Done[], facts: Readonly<Record<string, string>>): string {
  return [
    ...Object.entries(facts).map(([name, fact]) => `- ${name}: ${fact}`),
    "",
    "| What | Measured | Baseline | Ratio | Reach | |",
    "|---|---|---|---|---|---|",
    ...done.map(line),
    "",
    ...(values.quick === true ? ["--quick: too few repeats for these figures to mean anything."] : []),
  ].join("\n");
}

const facts = machineFacts();
const done: Done[] = [];
for (const row of chosen()) {
  process.stderr.write(`${row.name}: ${row.what}\n`);
  done.push({ row, ...(await row.run(effortFor(row.name))) });
}
const report = done.map(({ row: { name, what, reach, against }, ...figure }) => ({ name, what, reach, against, ...figure }));
process.stdout.write(
  values.json === true
    ? `${JSON.stringify({ at: new Date().toISOString(), quick: values.quick === true, facts, rows: report }, null, 2)}\n`
    : `${table(done, facts)}\n`,
);
