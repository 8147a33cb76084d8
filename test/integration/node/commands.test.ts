import { readdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { LocalStatus } from "../../../src/runtime/status.ts";
import { openLab } from "../../support/lab.ts";
import { stoep } from "../../support/node-process.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } } };

describe("stoep run", () => {
  it("ends with 78 when the file is wrong, names every mistake with its place, and opens nothing", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://192.0.2.1" }, sensors: { air: { driver: "sds1011", serial: { path: "/dev/ttyS0" } } } });
    const { code, stdout, stderr } = await stoep(["run", site.file]);
    expect(code).toBe(78);
    expect(stderr).toMatch(/node\.yaml:\d+:\d+ broker\.url: .*mqtts:\/\//);
    expect(stderr).toMatch(/node\.yaml:\d+:\d+ sensors\.air\.driver: .*sds011/);
    expect(stdout).toBe("");
    expect(readdirSync(site.storage), "no node.db").toEqual([]);
    expect(readdirSync(site.live), "no live.db, no socket").toEqual([]);
  });

  it("ends with 78 when there is no such file", async () => {
    const { code, stderr } = await stoep(["run", "/nonexistent/node.yaml"]);
    expect(code).toBe(78);
    expect(stderr).toContain("there is no such file");
  });

  it("ends with 64 when more is typed than it takes", async () => {
    expect((await stoep(["run", "one.yaml", "two.yaml"])).code).toBe(64);
  });

  it("ends with 69 and a remedy when a folder cannot be made", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
    const inTheWay = join(site.folder, "in-the-way");
    writeFileSync(inTheWay, "");
    for (const key of ["directory", "live"]) {
      site.write({ broker: { url: "mqtt://127.0.0.1:1" }, sensors, storage: { [key]: join(inTheWay, "folder") } });
      const { code, stderr } = await stoep(["run", site.file]);
      expect(code).toBe(69);
      expect(stderr).toContain(`What to do: check storage.${key}`);
    }
  });

  it("ends with 69 beside a node that runs already, and leaves that one alone", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
    const first = await site.runUntilReady();
    const { code, stderr } = await stoep(["run", site.file]);
    expect(code).toBe(69);
    expect(stderr).toMatch(/another node .* What to do: stop it first/);
    expect((await site.status()).status.state).toBe("online");
    expect((await first.stop()).code).toBe(0);
    expect((await site.runUntilReady()).events("NodeStarting")[0]?.run, "the second one did not touch the store").toBe(2);
  });

  it("ends with 69 and a remedy when nobody could ask it how it is", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
    site.write({ broker: { url: "mqtt://127.0.0.1:1" }, sensors, storage: { live: join(site.live, "x".repeat(100)) } });
    const { code, stderr } = await stoep(["run", site.file]);
    expect(code).toBe(69);
    expect(stderr).toContain("What to do: shorten storage.live");
  });
});

describe("stoep check", () => {
  it.each(["config/node.example.yaml", "config/demo.yaml"])("finds nothing wrong with %s", async (file) => {
    const { code, stdout, stderr } = await stoep(["check", join(ROOT, file)]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toMatch(/air-1 +pm25 +pm25 .* open/);
  });
});

describe("stoep status", () => {
  it("tells in words and in JSON how a node is that is well, and ends with 0", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const site = lab.site({ broker: { url: broker.url }, sensors });
    await site.runUntilReady();
    await site.statusWhen(({ status }) => status.health === "ok");
    const [words, json, check] = await Promise.all([
      stoep(["status", site.file]),
      stoep(["status", site.file, "--json"]),
      stoep(["status", site.file, "--check"]),
    ]);
    expect([words.code, json.code, check.code]).toEqual([0, 0, 0]);
    expect(words.stdout).toMatch(/health +ok/);
    expect(words.stdout).toMatch(/broker +connected to 127\.0\.0\.1:\d+/);
    expect(words.stdout).toMatch(/air +ok +simulator, \d+ readings, counters balance/);
    const told = JSON.parse(json.stdout) as LocalStatus;
    expect(told).toMatchObject({ status: { node: "n0042", state: "online", health: "ok", problems: [], sensors: { air: "ok" } } });
    expect(told.sensors.air).toMatchObject({ state: "ok", trouble: null, driver: "simulator", balanced: true });
  });

  it("--check ends with 1 when the node is degraded: no broker, a sensor that is not there", async () => {
    const lab = openLab();
    const broken = { driver: "sds011", serial: { path: "/dev/stoep-no-such-port" } };
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors: { ...sensors, broken } });
    const node = await site.runUntilReady();
    await node.event("SensorClosed");
    const awayMs = Date.parse(String((await node.event("BrokerDisconnected")).time));
    await wait(2_500);
    const { problems } = (await site.status()).status;
    for (const { since } of problems)
      expect(Date.parse(since ?? ""), "since it began, not since somebody asked").toBeLessThan(awayMs + 2_000);
    const check = await stoep(["status", site.file, "--check"]);
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(/health +degraded/);
    expect(check.stdout).toMatch(/node +BROKER_AWAY since/);
    expect(check.stdout).toMatch(/broken +SENSOR_GONE since/);
    expect((await stoep(["status", site.file])).code, "without --check an answer is an answer").toBe(0);
  });

  it("--check ends with 2 when no node runs, and without it with 69; both say what to do", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
    const [check, words] = [await stoep(["status", site.file, "--check"]), await stoep(["status", site.file])];
    expect([check.code, words.code]).toEqual([2, 69]);
    for (const { stderr } of [check, words]) expect(stderr).toMatch(/no node listens on .*What to do: start it/);
  });

  it("finds the node by its socket, where the file is not to be read", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
    await site.runUntilReady();
    const { code, stdout } = await stoep(["status", "--socket", join(site.live, "stoep.sock")]);
    expect(code).toBe(0);
    expect(stdout).toContain("n0042");
  });
});
