import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openLab } from "../../support/lab.ts";
import { stoep } from "../../support/node-process.ts";
import type { SummaryDocument } from "../../support/summaries.ts";

const DRIVERS = resolve(import.meta.dirname, "../../../drivers");
const SDS011 = join(DRIVERS, "sds011/captures/street.txt");
const OPS243 = join(DRIVERS, "ops243/captures/street.txt");
const folder = mkdtempSync(join(tmpdir(), "stoep-replay-"));
afterAll(() => rmSync(folder, { recursive: true }));

function fileWith(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

interface Played {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly summaries: readonly SummaryDocument[];
}

async function run(...words: readonly string[]): Promise<Played> {
  const { code, stdout: out, stderr: err } = await stoep(["replay", ...words]);
  const lines = words.includes("--json") ? out.trim().split("\n") : [];
  return { code, out, err, summaries: lines.filter((line) => line !== "").map((line) => JSON.parse(line) as SummaryDocument) };
}

const nodeFile = (url: string) =>
  fileWith(
    "node.yaml",
    JSON.stringify({
      ...{ stoep: 1, node: { id: "n0042", purpose: "a test" }, broker: { url, prefix: "p" }, window: "5m" },
      sensors: {
        "air-1": { driver: "sds011", serial: { path: "/dev/a" }, calibration: { channels: { pm25: { scale: 2 } } } },
        "gate-1": {
          ...{ driver: "ops243", serial: { path: "/dev/b" } },
          streams: { passages: { policy: "noised", epsilon: 1 } },
        },
      },
    }),
  );

describe("stoep replay", () => {
  it("makes of a capture what a node would: windows that begin with it, statistics, simulated; the same each time", async () => {
    const [one, two] = [await run(SDS011, "--driver", "sds011", "--json"), await run(SDS011, "--driver", "sds011", "--json")];
    expect(one.code, one.err).toBe(0);
    const pm25 = one.summaries.filter(({ stream }) => stream === "pm25");
    expect(pm25.map(({ stats }) => stats?.samples)).toEqual([60, 60]);
    for (const summary of one.summaries)
      expect(summary).toMatchObject({ flags: ["simulated"], quality: "ok", privacy: { policy: "open" } });
    expect(two.summaries.map(({ stats }) => stats)).toEqual(one.summaries.map(({ stats }) => stats));
    expect(one.err).toContain("Nothing was published");
    const longer = await run(SDS011, "--driver", "sds011", "--json", "--window", "5m");
    expect(longer.summaries.filter(({ stream }) => stream === "pm25").map(({ stats }) => stats?.samples)).toEqual([120]);
  });

  it("as a sensor of a node file has its calibration and its policies, and does not go near its broker", async () => {
    const broker = await openLab().fakeBroker();
    const file = nodeFile(broker.url);
    const [plain, calibrated] = [
      await run(SDS011, "--driver", "sds011", "--window", "5m", "--json"),
      await run(SDS011, "--sensor", "air-1", "--config", file, "--json"),
    ];
    const maxOf = ({ summaries }: typeof plain) => Number(summaries.find(({ stream }) => stream === "pm25")?.stats?.max);
    expect(maxOf(calibrated)).toBeCloseTo(2 * maxOf(plain), 6);
    const gate = await run(OPS243, "--sensor", "gate-1", "--config", file, "--json");
    const [passages] = gate.summaries;
    expect(passages).toMatchObject({
      sensor: "gate-1",
      stream: "passages",
      flags: ["simulated"],
      privacy: { policy: "noised", epsilon: 1 },
    });
    // Of the capture's 48 passages, give or take noise of scale 1 in two cells.
    expect(Math.abs(Number(passages?.total?.count) - 48)).toBeLessThan(25);
    expect(broker.connections).toEqual([]);
  });

  it("without a node file withholds what people cause, and says so", async () => {
    const { code, summaries, err } = await run(OPS243, "--driver", "ops243", "--json");
    expect(code).toBe(0);
    expect(summaries).toEqual([]);
    expect(err).toContain("not published: passages, speed");
  });

  it("takes the driver and the time from the head of a capture that stoep capture wrote", async () => {
    const path = fileWith(
      "own.txt",
      [
        "# stoep-golden 1",
        "# captured: 2026-03-04T05:06:07Z, for 2m, by stoep 0.1.0",
        "# sensor: air-1 of n0042, driver sds011@0.1.0, port serial 9600 8N1",
        "+0ms open baud=9600",
        "+1s < AA C0 D4 04 3A 0A A1 60 1D AB",
        "",
      ].join("\n"),
    );
    const { summaries } = await run(path, "--json");
    expect(summaries[0]).toMatchObject({ window: { start: "2026-03-04T05:06:00Z" }, stats: { samples: 1, mean: 123.6 } });
  });

  it("names the line and the column of everything that is wrong with a capture", async () => {
    const path = fileWith("wrong.txt", "# stoep-golden 1\n+0ms open\n+1s < A\nnonsense\n");
    const { code, out, err } = await run(path, "--driver", "sds011");
    expect(code).toBe(65);
    expect(out).toBe("");
    expect(err.split("\n").slice(0, 2)).toEqual([
      `${path}:3:7 expected two hex digits or quoted text, got "A"`,
      `${path}:4:1 a line starts with "#", "+" or ">"`,
    ]);
  });

  it("says what to do about a capture that is not there or empty, and about drivers, sensors and options that do not fit", async () => {
    const file = nodeFile("mqtt://127.0.0.1:1");
    const mistakes: readonly (readonly [readonly string[], RegExp])[] = [
      [[join(folder, "none.txt"), "--driver", "sds011"], /there is no such file/],
      [[fileWith("empty.txt", "# stoep-golden 1\n"), "--driver", "sds011"], /empty\.txt:1:1 it holds no events/],
      [[SDS011, "--driver", "sds012"], /no driver "sds012".*stoep drivers/],
      [[SDS011, "--driver", "sds011", "--options", '{"everyMinutes":99}'], /everyMinutes/],
      [[SDS011, "--sensor", "air-9", "--config", file], /there is no sensor "air-9"; there are air-1, gate-1/],
      [[SDS011, "--sensor", "air-1", "--config", join(folder, "none.yaml")], /there is no such file/],
    ];
    for (const [words, says] of mistakes) {
      const { code, err } = await run(...words);
      expect(err).toMatch(says);
      expect(code, words.join(" ")).toBe(65);
    }
    const typed: readonly (readonly [readonly string[], string])[] = [
      [[SDS011], "--driver NAME is missing"],
      [[SDS011, "--driver", "sds011", "--speed", "0"], "--speed must be max"],
      [[SDS011, "--driver", "sds011", "--sensor", "air-1"], "exclude each other"],
      [[SDS011, "--driver", "sds011", "--window", "soon"], "--window must be"],
      [[SDS011, "--driver", "sds011", "--options", "{"], "--options is not JSON"],
    ];
    for (const [words, says] of typed) expect(await run(...words)).toMatchObject({ code: 64, err: expect.stringContaining(says) });
  });

  it("plays each event once, also when the sensor is silent for so long that its port is opened again", async () => {
    const frame = "< AA C0 D4 04 3A 0A A1 60 1D AB";
    const path = fileWith("silent.txt", `# stoep-golden 1\n+0ms open\n+1s ${frame}\n+20s ${frame}\n+1s ${frame}\n+9s closed gone\n`);
    const { summaries } = await run(path, "--driver", "sds011", "--json");
    expect(summaries[0]).toMatchObject({ stream: "pm25", stats: { samples: 3 } });
  });

  it("goes as fast as it is told to", async () => {
    const path = fileWith("short.txt", "# stoep-golden 1\n+0ms open\n+1s < AA C0 D4 04 3A 0A A1 60 1D AB\n");
    const words = [path, "--driver", "sds011", "--window", "10s"];
    const beganMs = performance.now();
    const slow = await run(...words, "--speed", "20");
    const slowMs = performance.now() - beganMs;
    const fast = await run(...words);
    expect(slow.out.replaceAll(/\d\d:\d\d:\d\d/g, "")).toBe(fast.out.replaceAll(/\d\d:\d\d:\d\d/g, ""));
    // 10 s of a window, 10 s of lateness, and what is slack, twenty times as fast.
    expect(slowMs).toBeGreaterThan(1_000);
    // Ten minutes, within the time that a command has.
    const long = fileWith("long.txt", "# stoep-golden 1\n+0ms open\n+10m < AA C0 D4 04 3A 0A A1 60 1D AB\n");
    expect(await run(long, "--driver", "sds011", "--window", "10s")).toMatchObject({ code: 0 });
  });
});
