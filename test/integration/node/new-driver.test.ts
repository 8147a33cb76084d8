import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { openLab } from "../../support/lab.ts";
import { stoep } from "../../support/node-process.ts";
import type { SummaryDocument } from "../../support/summaries.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const TSC = join(ROOT, "node_modules/.bin/tsc");

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "stoep-author-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** What the compiler says about a driver that stands alone; empty: nothing. */
function typesOf(folder: string): string {
  try {
    execFileSync(TSC, ["-p", folder], { encoding: "utf8" });
    return "";
  } catch (error) {
    return String((error as { stdout?: unknown }).stdout);
  }
}

/** What an instrument sends that no driver of ours reads: a head of two bytes, tenths with the low byte first, their sum. */
function frameOf(tenths: number): Uint8Array {
  const [low, high] = [tenths & 0xff, tenths >> 8];
  return Uint8Array.of(0xa5, 0x5a, low, high, (low + high) & 0xff);
}

/** What its author makes of the template. */
const WRITTEN = `const [HEAD, FRAME_BYTES] = [[0xa5, 0x5a], 5];
/** @type {readonly import("stoep/driver-api").ChannelSpec[]} */
const CHANNELS = [
  { name: "pm25", quantity: "pm25", unit: "ug/m3", range: [0, 999.9], resolution: 0.1, sensitivity: "environmental" },
];
class MyDust {
  #framer;
  #out = null;
  constructor(framer) {
    this.#framer = framer;
  }
  /** @param {import("stoep/driver-api").BusEvent} event @param {import("stoep/driver-api").SessionSink} out */
  handle(event, out) {
    this.#out = out;
    if (event.type === "opened") out.expect(3_000);
    else if (event.type === "bytes") this.#framer.push(event.data, this);
    else if (event.type === "closed") this.#framer.reset(this);
  }
  discard(reason, byteCount) {
    this.#out?.discard(reason, byteCount);
  }
  frame(bytes, start) {
    this.#out?.reading("pm25", (bytes[start + 2] | (bytes[start + 3] << 8)) / 10);
  }
}
/** @type {(api: import("stoep/driver-api").DriverApi) => import("stoep/driver-api").Driver<any>} */
export default (api) => ({
  apiVersion: 1,
  name: "my-dust",
  summary: "A dust sensor",
  port: "serial",
  serial: { baudRate: 9_600 },
  options: api.z.strictObject({}),
  channels: () => CHANNELS,
  start: () =>
    new MyDust(
      api.headerFramer({
        header: HEAD,
        prefixBytes: 2,
        frameBytes: () => FRAME_BYTES,
        frameBytesMax: FRAME_BYTES,
        isSound: (bytes, start) => api.sum8(bytes, start + 2, start + 4) === bytes[start + 4],
      }),
    ),
});
`;

describe("stoep new-driver, in an empty folder", () => {
  it.each(["serial", "gpio", "modbus", "file"])(
    "on %s writes a driver that is typed and checked, of which one case fails and says why",
    async (port) => {
      const folder = emptyFolder();
      const made = await stoep(["new-driver", "my-sensor", "--port", port, "--dir", folder]);
      expect(made.code, made.stderr).toBe(0);
      const driver = join(folder, "my-sensor");
      expect(readdirSync(driver).sort()).toEqual(["README.md", "captures", "driver.mjs", "golden", "tsconfig.json"]);
      expect(typesOf(driver)).toBe("");
      const checked = await stoep(["check-driver", driver, "--random", "1000", "--json"]);
      expect(checked.code).toBe(65);
      const { findings, tried } = JSON.parse(checked.stdout) as { findings: { check: string; where: string }[]; tried: string };
      expect(
        findings.map(({ check, where }) => `${check} ${where.replace(/:\d+$/, "")}`),
        "that case, and nothing else",
      ).toEqual(["golden first-frame.txt"]);
      expect(tried, "others are there to be mistaken for").not.toContain(" 0 captures of others");
      expect(readFileSync(join(driver, "golden", "first-frame.txt"), "utf8")).toMatch(/fails until you have done two things/);
      const code = readFileSync(join(driver, "driver.mjs"), "utf8");
      if (port === "serial") expect(code, "the port stays open while it understands nothing").toContain("EXPECT_WITHIN_MS = 3_600_000");
      expect(code).not.toMatch(/_template|Template|sourceMappingURL|^import /m);
      writeFileSync(join(driver, "driver.mjs"), code.replace(/sensitivity: "environmental"/, 'sensitivity: "environment"'));
      expect(typesOf(driver), "types are looked at").toContain("Sensitivity");
    },
  );

  it("refuses names that are none or are taken, ports that there are not, and to write over anything", async () => {
    const folder = emptyFolder();
    const at = (...words: readonly string[]) => stoep(["new-driver", ...words, "--dir", folder]);
    expect(await at("My Sensor")).toMatchObject({ code: 64 });
    expect(await at("sds011")).toMatchObject({ code: 64, stderr: expect.stringContaining("there is a driver") });
    expect(await at("mine", "--port", "i2c")).toMatchObject({ code: 64, stderr: expect.stringContaining("serial or gpio") });
    expect((await at("mine")).code).toBe(0);
    expect(await at("mine")).toMatchObject({ code: 69, stderr: expect.stringContaining("is there already") });
  });
});

it("leads from captured bytes to a driver that a node runs, pinned: every command of its README", { timeout: 120_000 }, async () => {
  const folder = emptyFolder();
  expect((await stoep(["new-driver", "my-dust", "--dir", folder])).code).toBe(0);
  const driver = join(folder, "my-dust");
  const [code, capture, first] = [join(driver, "driver.mjs"), join(driver, "captures/street.txt"), join(driver, "golden/first-frames.txt")];

  // 1. A node with a driver that understands nothing yet records the instrument all the same.
  const lab = openLab();
  const pty = await lab.pty();
  const sensors = { "try-1": { driver: "my-dust", serial: { path: pty.path } } };
  const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, driverPaths: [{ path: folder }], sensors });
  const node = await site.runUntilReady();
  await node.event("SensorOpened");
  const recording = stoep(["capture", "try-1", site.file, "-o", capture, "--for", "6s"]);
  await node.event("WatchBegan");
  for (const [index, pm25] of [123, 98, 107, 111, 120, 131].entries()) {
    await pty.feed(frameOf(pm25));
    await site.statusWhen(({ sensors: all }) => all["try-1"]?.counters?.bytes === 5 * (index + 1));
  }
  expect(await recording).toMatchObject({ code: 0, stderr: expect.stringMatching(/\d+ events, 30 bytes/) });
  await node.stop();

  // 2. A case of its first frames, put right by hand.
  const made = await stoep(["golden", capture, "--driver", driver, "-o", first]);
  expect(made.code, made.stderr).toBe(0);
  const draft = readFileSync(first, "utf8");
  expect(draft).toMatch(/^# .*right or wrong/m);
  const answers = draft
    .split("\n")
    .filter((line) => !line.startsWith("> discard"))
    .map((line) => line.replace("> expect 1h", "> expect 3s"))
    .map((line) => {
      const [, low, high] = /< A5 5A (\w\w) (\w\w)/.exec(line) ?? [];
      return low === undefined
        ? line
        : `${line}\n> reading pm25 ${(Number.parseInt(low, 16) + 256 * Number.parseInt(high ?? "", 16)) / 10}`;
    });
  writeFileSync(first, answers.join("\n"));
  rmSync(join(driver, "golden/first-frame.txt"));
  const before = await stoep(["check-driver", driver, "--random", "1000"]);
  expect(before.code).toBe(65);
  expect(before.stdout).toMatch(/first-frames\.txt:\d+: .*expected "expect 3s", got "expect 1h"/);

  // 3. The code, until nothing is found.
  writeFileSync(code, WRITTEN);
  expect(typesOf(driver)).toBe("");
  const after = await stoep(["check-driver", driver]);
  expect(after.stdout).toBe("");
  expect(after).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing was found; tried: 1 golden cases, 1 captures") });

  // 4. What a node would publish.
  const replay = await stoep(["replay", capture, "--driver", driver, "--json"]);
  const [summary] = replay.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as SummaryDocument);
  expect(summary).toMatchObject({ stream: "pm25", flags: ["simulated"], stats: { samples: 6, min: 9.8, max: 13.1 } });

  // 5. On a node, pinned.
  const sha256 = createHash("sha256").update(readFileSync(code)).digest("hex");
  site.write({
    broker: { url: "mqtt://127.0.0.1:1" },
    driverPaths: [{ path: code, sha256 }],
    sensors: { dust: { driver: "my-dust", serial: { path: pty.path } } },
  });
  // A pinned file is found by its own name or by that of its folder.
  expect((await stoep(["check", site.file])).code).toBe(0);
  const again = await site.runUntilReady();
  await again.event("SensorOpened");
  await pty.feed(frameOf(77));
  await site.statusWhen((status) => status.sensors.dust?.counters?.stored === 1);
  expect(existsSync(code)).toBe(true);
});
