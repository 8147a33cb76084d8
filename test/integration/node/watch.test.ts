import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { askControl } from "../../../src/adapters/control-socket.ts";
import { parseGolden } from "../../../src/driver-api/golden.ts";
import { WATCH_BYTES_MAX, WATCH_STALLED_MS_MAX } from "../../../src/runtime/watch.ts";
import type { WatchLine } from "../../../src/runtime/watch-lines.ts";
import { WATCHES_MAX } from "../../../src/runtime/watches.ts";
import { openLab } from "../../support/lab.ts";
import { type Finished, type NodeProcess, type NodeSite, stoep } from "../../support/node-process.ts";
import type { PtyPair } from "../../support/pty.ts";
import { sds011Frame } from "../../support/sds011.ts";
import type { SummaryDocument } from "../../support/summaries.ts";
import { until } from "../../support/until.ts";

const MAIN = resolve(import.meta.dirname, "../../../dist/src/cli/main.js");
/** A machine may have a lot else to do when a command is started. */
const START_MS = 20_000;
const NO_BROKER = { url: "mqtt://127.0.0.1:1" };

/** A node with a dust sensor on a real tty. */
async function dusty(): Promise<{ site: NodeSite; node: NodeProcess; pty: PtyPair }> {
  const lab = openLab();
  const pty = await lab.pty();
  const site = lab.site({ broker: NO_BROKER, sensors: { air: { driver: "sds011", serial: { path: pty.path } } } });
  const node = await site.runUntilReady();
  await node.event("SensorOpened");
  return { site, node, pty };
}

/** A command that runs until it ends, or is ended. */
class Running {
  stdout = "";
  stderr = "";
  readonly ended: Promise<Finished>;
  readonly child: ChildProcess;

  constructor(...words: readonly string[]) {
    const child = spawn(process.execPath, [MAIN, ...words], { stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    onTestFinished(() => void child.kill("SIGKILL"));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((settled) => {
      child.once("close", (code) => settled({ code: code ?? -1, stdout: this.stdout, stderr: this.stderr }));
    });
  }
}

const linesOf = (text: string): readonly WatchLine[] =>
  text.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as WatchLine]));

describe("stoep watch", () => {
  it("shows what a sensor says while the node goes on, ends by itself, and takes nothing from the port", { timeout: 60_000 }, async () => {
    const { site, node, pty } = await dusty();
    const json = new Running("watch", "air", site.file, "--json", "--for", "8s");
    const plain = new Running("watch", "air", site.file, "--for", "8s");
    await until(() => json.stdout !== "" && plain.stdout !== "", "both watches", START_MS);
    const said = [123, 124, 125, 126];
    for (const pm25 of said) await pty.feed(sds011Frame({ pm25, pm10: 300 }));
    await pty.feed(Uint8Array.of(0x55, 0x66));
    const [told, words] = [await json.ended, await plain.ended];
    expect([told.code, words.code]).toEqual([0, 0]);
    const lines = linesOf(told.stdout);
    expect(lines[0]).toMatchObject({ is: "head", sensor: "air", driver: "sds011", isOfPeople: false });
    const values = lines.flatMap((line) => (line.is === "reading" && line.channel === "pm25" ? [line.value] : []));
    expect(values).toEqual(said.map((tenths) => tenths / 10));
    expect(lines.filter(({ is }) => is === "unused").at(-1)).toMatchObject({ bytes: { noise: 2 } });
    expect(words.stdout).toMatch(/^\S+Z {2}pm25 +12\.5 ug\/m3 {2}ok$/m);
    expect(words.stdout).toContain("not used since the beginning: 2 bytes noise");
    expect(words.stderr).toContain("the time is up");
    const counters = (await site.status()).sensors.air?.counters;
    expect(counters, "nobody read the port but the node").toMatchObject({ bytes: 42, stored: 8, discardedBytes: { noise: 2 } });
    expect(node.events("WatchEnded").length).toBeGreaterThan(0);
  });

  it("is over for the node as well when Ctrl-C ends it, and when whoever watched is killed", { timeout: 60_000 }, async () => {
    const { site } = await dusty();
    // One more than there may be at a time.
    for (let count = 0; count <= WATCHES_MAX; count++) {
      const running = new Running("watch", "air", site.file);
      await until(() => running.stdout.includes("air (sds011)"), "the watch", START_MS);
      running.child.kill(count % 2 === 0 ? "SIGINT" : "SIGKILL");
      expect((await running.ended).code).toBe(count % 2 === 0 ? 0 : -1);
    }
  });

  it("of a reader that takes nothing is ended, and the node neither waits nor keeps what it would have told", {
    timeout: 60_000,
  }, async () => {
    const { site, node, pty } = await dusty();
    const call = request({ socketPath: join(site.live, "stoep.sock"), path: "/watch", method: "POST", agent: false });
    call.on("error", () => {});
    call.on("response", (answer) => answer.pause());
    call.end(JSON.stringify({ sensor: "air", forMs: 600_000, wants: "readings", people: false }));
    await node.event("WatchBegan");
    const before = (await site.status()).memory.residentBytes;
    // Some 260 bytes of lines for a frame: several times what may wait, and what a socket holds.
    const frames = Buffer.concat(Array.from({ length: 500 }, () => sds011Frame({ pm25: 1, pm10: 2 })));
    const sent = 24;
    for (let round = 0; round < sent; round++) {
      await pty.feed(frames);
      await wait(50);
    }
    const status = await site.statusWhen(({ sensors }) => sensors.air?.counters?.stored === sent * 1_000);
    expect(status.memory.residentBytes - before).toBeLessThan(16 * WATCH_BYTES_MAX);
    expect(node.events("WatchEnded"), "not at once").toEqual([]);
    // It is looked for when something is told.
    const feeding = setInterval(() => void pty.feed(sds011Frame({ pm25: 1, pm10: 2 })), 500);
    onTestFinished(() => clearInterval(feeding));
    await node.event("WatchEnded", () => true, 2 * WATCH_STALLED_MS_MAX);
    expect((await site.status()).sensors.air?.state).toBe("ok");
    call.destroy();
  });

  it("says what to do when there is no such sensor, no node, or nothing to name it by", async () => {
    const { site, node } = await dusty();
    expect(await stoep(["watch", "door", site.file])).toMatchObject({ code: 65, stderr: expect.stringContaining("name one of air") });
    expect((await stoep(["watch"])).code).toBe(64);
    expect(await stoep(["watch", "air", site.file, "--for", "2d"])).toMatchObject({ code: 64 });
    const fine = { sensor: "air", forMs: 1_000, wants: "readings" };
    for (const body of [{}, { ...fine, forMs: "long" }, { ...fine, forMs: 1e12 }, { ...fine, wants: "all" }, { ...fine, sensor: 7 }]) {
      const answer = await askControl(join(site.live, "stoep.sock"), "/watch", { body, timeoutMs: 5_000 });
      expect(answer, "whoever wrote it").toMatchObject({ is: "refused", remedy: "ask with stoep watch or stoep capture" });
    }
    await node.stop();
    expect(await stoep(["watch", "air", site.file])).toMatchObject({ code: 69, stderr: expect.stringContaining("What to do: start it") });
  });

  it("ends when the node stops, which does not wait for it", async () => {
    const { site, node } = await dusty();
    const running = new Running("watch", "air", site.file);
    await until(() => running.stdout.includes("air (sds011)"), "the watch", START_MS);
    expect((await node.stop()).code).toBe(0);
    expect(await running.ended).toMatchObject({ code: 69, stderr: expect.stringContaining("the node was stopped") });
  });
});

describe("stoep capture", () => {
  it("records what a real port says, and the recording replays to the same readings", { timeout: 60_000 }, async () => {
    const { site, pty, node } = await dusty();
    const path = join(site.folder, "street.txt");
    const running = new Running("capture", "air", site.file, "-o", path, "--for", "6s");
    await node.event("WatchBegan");
    const said = [101, 205, 309, 412, 518];
    for (const pm25 of said) {
      await pty.feed(sds011Frame({ pm25, pm10: 2 * pm25 }));
      await wait(300);
    }
    const { code, stderr } = await running.ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/\d+ events, 50 bytes; nothing is missing/);
    const text = readFileSync(path, "utf8");
    expect(text).toMatch(
      /^# stoep-golden 1\n# captured: \S+Z, for 6s, by .*\n# sensor: air of n0042, driver sds011@\S+, port serial 9600 8N1\n/,
    );
    const parsed = parseGolden(text);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    expect(parsed.file.steps[0]?.event).toMatchObject({ type: "opened", settings: { serial: { baudRate: 9_600 } } });

    const replay = await stoep(["replay", path, "--json"]);
    expect(replay.code, replay.stderr).toBe(0);
    const summaries = replay.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as SummaryDocument);
    const [pm25] = summaries.filter(({ stream }) => stream === "pm25");
    expect(pm25).toMatchObject({ flags: ["simulated"], stats: { samples: 5, min: 10.1, max: 51.8, mean: 30.9, p50: 30.9 } });
    const words = await stoep(["replay", path, "--sensor", "air", "--config", site.file]);
    expect(words.stdout).toMatch(/air\.pm25 .*samples 5 {2}mean 30\.9/);
    expect(words.stderr).toContain("Nothing was published");

    const made = await stoep(["golden", path]);
    expect(made.stdout).toContain("> reading pm25 30.9");
    expect(made.stdout, "what the driver asks the instrument").toMatch(/^> write AA B4 06/m);
    expect(made.stdout).toMatch(/^# .*right or wrong/m);
  });

  it("counts what a slow writer missed, in the file and at its end", { timeout: 60_000 }, async () => {
    const { site, pty, node } = await dusty();
    const path = join(site.folder, "gap.txt");
    const running = new Running("capture", "air", site.file, "-o", path, "--for", "60s");
    await node.event("WatchBegan");
    await until(() => existsSync(path) && readFileSync(path, "utf8").includes("open"), "the capture", START_MS);
    running.child.kill("SIGSTOP");
    const frames = Buffer.concat(Array.from({ length: 400 }, () => sds011Frame({ pm25: 1, pm10: 2 })));
    const rounds = 250;
    for (let round = 0; round < rounds; round++) {
      await pty.feed(frames);
    }
    running.child.kill("SIGCONT");
    await site.statusWhen(({ sensors }) => sensors.air?.counters?.stored === rounds * 800);
    await wait(1_000);
    await pty.feed(sds011Frame({ pm25: 777, pm10: 888 }));
    await wait(1_000);
    running.child.kill("SIGINT");
    const { code, stderr } = await running.ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/\d+ lines are missing, where it says so in the file/);
    const text = readFileSync(path, "utf8");
    const missing = [...text.matchAll(/^# gap: \d+ lines with (\d+) bytes/gm)].reduce((sum, [, bytes]) => sum + Number(bytes), 0);
    const parsed = parseGolden(text);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
    const held = parsed.file.steps.reduce((sum, { event }) => sum + (event.type === "bytes" ? event.data.byteLength : 0), 0);
    expect(missing).toBeGreaterThan(0);
    expect(held + missing).toBe((rounds * 400 + 1) * 10);
    expect(text).toContain("AA C0 09 03 78 03");
  });

  it("leaves a file alone that is there, and none behind when there is nothing to record", async () => {
    const { site, node } = await dusty();
    const path = join(site.folder, "mine.txt");
    writeFileSync(path, "mine");
    expect(await stoep(["capture", "air", site.file, "-o", path])).toMatchObject({
      code: 69,
      stderr: expect.stringContaining("is there already"),
    });
    expect(readFileSync(path, "utf8")).toBe("mine");
    const other = join(site.folder, "other.txt");
    expect((await stoep(["capture", "door", site.file, "-o", other])).code).toBe(65);
    expect(existsSync(other)).toBe(false);
    expect(await stoep(["capture", "air", site.file, "-o", join(site.folder, "no", "folder.txt")])).toMatchObject({ code: 69 });
    expect(node.events("WatchBegan"), "the node was not asked").toEqual([]);
  });
});

describe("stoep --help", () => {
  it.each(["watch", "capture", "replay", "golden", "new-driver", "check-driver"])(
    "%s says what it takes, with an example",
    async (name) => {
      const { code, stdout } = await stoep([name, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toMatch(new RegExp(`^stoep ${name} [A-Z]+`));
      expect(stdout).toMatch(new RegExp(`\nExample\n {2}stoep ${name} `));
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(140);
      expect((await stoep(["--help"])).stdout).toContain(`\n  ${name} `);
      expect((await stoep([name])).code, "something is missing").toBe(64);
    },
  );
});
