import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadDriver } from "../../src/adapters/driver-loader.ts";
import { goldenCase } from "../../src/cli/golden-case.ts";
import { driverApi } from "../../src/driver-api/api.ts";
import type { BusEvent, Driver, SessionSink } from "../../src/driver-api/driver.ts";
import { type GoldenFile, parseGolden } from "../../src/driver-api/golden.ts";
import { type Finding, readConversations } from "../../src/testing/driver-checks/evidence.ts";
import { checkGolden } from "../../src/testing/driver-checks/golden.ts";
import { Seeded } from "../../src/testing/driver-checks/seeded.ts";

const DRIVERS = join(import.meta.dirname, "../../drivers");
const captures = readdirSync(DRIVERS, { recursive: true, encoding: "utf8" }).filter((path) => /captures\/.*\.txt$/.test(path));

function parsed(text: string): GoldenFile {
  const result = parseGolden(text);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.file;
}

async function driverOf(path: string): Promise<Driver> {
  const loaded = await loadDriver(path.split("/")[0] ?? "", [{ path: DRIVERS }]);
  if (!loaded.ok) throw new Error(loaded.problem.detail);
  return loaded.driver;
}

describe("a golden case made of a capture", () => {
  it.each(captures)("of %s is kept by its driver, however the bytes are cut", async (path) => {
    const driver = await driverOf(path);
    const file = parsed(readFileSync(join(DRIVERS, path), "utf8"));
    const timeAt = (share: number): number => file.steps[Math.floor(file.steps.length * share)]?.event.atMs ?? 0;
    for (const [fromMs, toMs] of [
      [0, timeAt(0.5)],
      [timeAt(0.25), timeAt(0.75)],
      [0, Number.POSITIVE_INFINITY],
    ] as const) {
      const made = goldenCase({ name: "street.txt", file, driver, fromMs, toMs });
      if ("mistakes" in made) throw new Error(made.mistakes.join("\n"));
      const findings: Finding[] = [];
      const conversations = readConversations(driver, [{ name: "case.txt", text: made.text }], findings);
      expect([...findings, ...checkGolden(driver, conversations, new Seeded(1))]).toEqual([]);
      const [opened, ...steps] = parsed(made.text).steps;
      expect(opened?.event.type, "it stands on its own").toBe("opened");
      expect(steps.length + 1).toBe(made.events);
      expect(made.answers).toBeGreaterThan(0);
      expect(steps.at(-1)?.event.atMs ?? 0).toBeLessThanOrEqual(toMs - fromMs);
    }
  });

  const asking = {
    ...{ apiVersion: 1, name: "asking", summary: "asks", port: "modbus", channels: () => [] },
    options: driverApi.z.strictObject({ every: driverApi.z.number().default(2_000) }),
    start: ({ every }: { every: number }) => ({
      handle: (event: BusEvent, out: SessionSink) => {
        if (event.type === "opened" || event.type === "timer") {
          out.request("level", { registers: { table: "holding", address: 4, count: 1 } }, 500);
          out.timer("ask", every);
        } else if (event.type === "reply") out.reading("level", event.data[1] ?? null);
        else if (event.type === "bytes") throw new Error("no bytes on this port");
      },
    }),
  } as unknown as Driver;
  const ANSWERS = "# stoep-golden 1\n+0ms open\n+40ms reply level 00 07\n+2s reply level 00 09\n+3s noReply level timeout\n";

  it("has the timers that the driver sets where they are due, and the answers to what it asked", () => {
    const made = goldenCase({ name: "c", file: parsed(ANSWERS), driver: asking, fromMs: 0, toMs: Number.POSITIVE_INFINITY });
    expect("text" in made ? made.text.split("\n").filter((line) => !line.startsWith("#")) : made).toEqual([
      "+0ms open",
      "> request level timeout=500ms registers=holding:4:1",
      "> timer ask 2s",
      "+40ms reply level 00 07",
      "> reading level 7",
      "+1960ms timer ask",
      "> request level timeout=500ms registers=holding:4:1",
      "> timer ask 2s",
      "+40ms reply level 00 09",
      "> reading level 9",
      "+1960ms timer ask",
      "> request level timeout=500ms registers=holding:4:1",
      "> timer ask 2s",
      "+1040ms noReply level timeout",
      "",
    ]);
  });

  it("is refused with a reason: options that are wrong, nothing in that time, a driver that throws", () => {
    const at = (text: string, fromMs = 0) => goldenCase({ name: "c.txt", file: parsed(text), driver: asking, fromMs, toMs: 9_000 });
    expect(at('# stoep-golden 1\n# options {"often":1}\n+0ms open\n')).toMatchObject({ mistakes: [expect.stringContaining("often")] });
    expect(at(ANSWERS, 8_000)).toMatchObject({ mistakes: ["c.txt: there is nothing between these times"] });
    expect(at("# stoep-golden 1\n+0ms open\n+1s < 00\n")).toMatchObject({ mistakes: [expect.stringContaining("no bytes on this port")] });
  });
});
