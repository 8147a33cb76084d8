import { expect, it } from "vitest";
import { EXIT, readArguments, UsageError } from "../../src/cli/command.ts";
import { reportText, simulate } from "../../src/cli/simulate.ts";
import type { SimulationReport } from "../../src/testing/simulation/simulation.ts";
import { stoep } from "../support/node-process.ts";
import { world } from "./worlds.ts";

async function typed(...argv: readonly string[]): Promise<{ readonly code: number; readonly lines: readonly string[] }> {
  const lines: string[] = [];
  const say = (text: string): void => void lines.push(text);
  const code = await simulate.run(readArguments(simulate, argv), { out: say, err: say });
  return { code, lines };
}

it("runs worlds by their seeds, and says what they came to", { timeout: 60_000 }, async () => {
  const { code, lines } = await typed("--seeds", "8..9", "--hours", "0.1", "--jobs", "1");
  expect(code).toBe(EXIT.ok);
  expect(lines.map((line) => line.split("\n")[0])).toEqual([
    expect.stringMatching(/^seed 8: /),
    expect.stringMatching(/^seed 9: /),
    expect.stringMatching(/^2 worlds, no promise broken; \d+ virtual hours a minute$/),
  ]);
});

it("prints a report of JSON for each, the same for the same seed", { timeout: 60_000 }, async () => {
  const once = await typed("--seed", "8", "--hours", "0.1", "--json");
  const again = await typed("--seed", "8", "--hours", "0.1", "--json");
  expect(again).toEqual(once);
  const report = JSON.parse(once.lines[0] as string) as SimulationReport;
  expect(report).toMatchObject({ seed: 8, hours: 0.1, finding: null, digest: expect.stringMatching(/^[0-9a-f]{64}$/) });
});

it("runs several worlds at a time, and tells of them as if they came one by one", { timeout: 60_000 }, async () => {
  const many = ["simulate", "--seeds", "8..12", "--hours", "0.1", "--json"];
  const [alone, together] = [await stoep([...many, "--jobs", "1"]), await stoep([...many, "--jobs", "3"])];
  expect(together).toEqual({ ...alone, code: EXIT.ok });
  expect(alone.stdout.trim().split("\n")).toHaveLength(5);
});

it("prints everything that happens when it is asked to", { timeout: 60_000 }, async () => {
  const { lines } = await typed("--seed", "8", "--hours", "0.1", "--trace");
  expect(lines.find((line) => line.includes("NodeStarting"))).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}/);
  expect(lines.filter((line) => line.includes("/summary ")).length).toBeGreaterThan(5);
});

it("names seed, step, promise and the command that has it again", { timeout: 60_000 }, async () => {
  const report = await world(1, { spoil: (around) => ({ ...around, outbox: Object.create(around.outbox) as typeof around.outbox }) });
  expect(report.finding, "a store whose private parts cannot be reached").not.toBeNull();
  const text = reportText(report);
  expect(text).toContain(`BROKEN at step ${report.finding?.step}: P6`);
  expect(text).toContain("Again: stoep simulate --seed 1 --hours 0.35 --trace");
});

it.each([
  [[], "--seed N or --seeds A..B is needed"],
  [["--seed", "1.5"], "--seed takes a whole number up to 2147483647"],
  [["--seed", "-1"], "ambiguous"],
  [["--seeds", "5..1"], "--seeds takes A..B with A <= B"],
  [["--seeds", "1-5"], "--seeds takes A..B"],
  [["--seed", "1", "--seeds", "1..2"], "exclude each other"],
  [["--seed", "1", "--hours", "0"], "--hours takes a number above 0"],
  [["--seeds", "1..2", "--jobs", "0"], "--jobs takes a whole number from 1 up to 256"],
  [["--seed", "1", "--hours", "x"], "--hours takes a number above 0"],
])("refuses %j", async (argv, says) => {
  await expect(async () => typed(...argv)).rejects.toThrow(says);
  await expect(async () => typed(...argv)).rejects.toBeInstanceOf(UsageError);
});
