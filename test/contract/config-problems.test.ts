import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseNodeFile } from "../../src/config/parse.ts";
import { planNode } from "../../src/config/plan-node.ts";
import { formatProblem } from "../../src/config/problem.ts";
import { fakeDrivers } from "./config-fake-drivers.ts";

// A case is a broken file and the full text that an operator gets to read. A new case is `<name>.yaml` in the folder; its
// `<name>.txt` is written by `vitest run -u` and read by a person before it is committed.
const folder = new URL("./config-problems/", import.meta.url);
const cases = readdirSync(folder).filter((name) => name.endsWith(".yaml"));
const missing = new Map([["broken", "its module does not export a driver"]]);

describe("a broken node file", () => {
  it("has a case for each kind of mistake", () => {
    expect(cases.length).toBeGreaterThanOrEqual(70);
  });

  it.each(cases)("%s: says what is wrong, where, and what would be right", async (file) => {
    const text = readFileSync(new URL(file, folder), "utf8");
    const { plan, problems } = planNode(parseNodeFile(text, file), fakeDrivers, missing);
    expect(plan).toBeNull();
    expect(problems.some(({ severity }) => severity === "error")).toBe(true);
    const told = problems.map((problem) => `${formatProblem(problem)}\n`).join("");
    await expect(told).toMatchFileSnapshot(new URL(file.replace(/\.yaml$/, ".txt"), folder).pathname);
    expect(told).not.toContain("correct-horse");
  });
});
