import { describe, expect, it } from "vitest";
import { type MigrationStep, migrate } from "../../../src/config/migrate.ts";

/** Made up: there was no other form yet. */
const STEPS: readonly MigrationStep[] = [
  {
    from: 1,
    says: "2: windows are called periods, and sound is counted in tenths",
    changes: [
      { rename: ["window"], to: "period" },
      { rename: ["sensors", "*", "streams", "*", "window"], to: "period" },
      { rewrite: ["sensors", "*", "level"], as: (source) => (source === "loud" ? '"100"' : null) },
    ],
  },
  { from: 2, says: "3: prefix is called root", changes: [{ rename: ["broker", "prefix"], to: "root" }] },
];
const FILE = `# The post at the corner.
stoep: 1   # do not touch
window:   5m # short, because of the school
broker: { prefix: 'city/a', url: "mqtt://localhost" } # ours
sensors:

  a-1: # the first one
    level: loud # as agreed
    streams: { pm25: { window: 10m }, pm10: {} }
    text: |
      window: not a key
      stoep: 1
  b-1:
    level: quiet
    streams:
      "pm25": { "window": 1h }
`;

describe("migrate", () => {
  it("exchanges the words that changed, and leaves every other character as it was", () => {
    const done = migrate(FILE, "node.yaml", STEPS, 3);
    if (done.is !== "migrated") throw new Error(done.is);
    const expected = FILE.replace("stoep: 1   #", "stoep: 3   #")
      .replace("\nwindow:   5m", "\nperiod:   5m")
      .replace("{ window: 10m }", "{ period: 10m }")
      .replace('{ "window": 1h }', "{ period: 1h }")
      .replace("level: loud", 'level: "100"')
      .replace("prefix: 'city/a'", "root: 'city/a'");
    expect(done.text).toBe(expected);
    expect(done.says).toEqual(STEPS.map(({ says }) => says));
    expect(done.changes).toContainEqual({ line: 9, path: "sensors.a-1.streams.pm25.window", was: "window", is: "period" });
    expect(migrate(done.text, "node.yaml", STEPS, 3), "once").toEqual({ is: "nothing", version: 3 });
  });

  it("says honestly that there is nothing to do: the first form is the present one", () => {
    expect(migrate(FILE, "node.yaml")).toEqual({ is: "nothing", version: 1 });
  });

  it.each([
    ["a key that is there already", FILE.replace("window:   5m", "window: 5m\nperiod: 6m"), /^3:1 window: is called "period" from now on/],
    ["a newer file", FILE.replace("stoep: 1   #", "stoep: 9 #"), /^2:8 stoep: is 9, and this Stoep reads up to 3/],
    ["a version without a way", FILE.replace("stoep: 1   #", "stoep: 0 #"), /^2:8 stoep: is 0: there is no way/],
    ["no version", "window: 5m\n", /^1:1 stoep: is missing/],
    ["no YAML", "stoep: 1\n  - x: [\n", /^\d:\d+ : is not valid YAML/],
  ])("refuses %s, with its place", (_, text, said) => {
    const done = migrate(text, "node.yaml", STEPS, 3);
    const [problem] = done.is === "refused" ? done.problems : [];
    expect(`${problem?.line}:${problem?.column} ${problem?.path}: ${problem?.message}`).toMatch(said);
  });
});
