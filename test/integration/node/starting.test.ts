import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { starterText } from "../../../src/cli/init.ts";
import { migrateFile } from "../../../src/cli/migrate.ts";
import { openLab } from "../../support/lab.ts";
import { stoep } from "../../support/node-process.ts";

const SIMULATED = { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } };
const site = () => openLab().site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors: { air: SIMULATED } });

describe("stoep init", () => {
  it("writes a file that check takes as it is, and never touches one that is there", async () => {
    const file = join(site().folder, "fresh.yaml");
    expect((await stoep(["init", file])).code).toBe(0);
    const checked = await stoep(["check", file]);
    expect(checked.stderr).toBe("");
    expect(checked.code).toBe(0);
    writeFileSync(file, "mine");
    const { code, stderr } = await stoep(["init", file]);
    expect(code).toBe(69);
    expect(stderr).toContain("What to do: it is there already");
    expect(readFileSync(file, "utf8")).toBe("mine");
  });

  it.each(["n0042", "Straße 5.lan", "-.-", "x".repeat(60)])("makes an id of any name of a machine: %s", async (host) => {
    const { file } = site();
    writeFileSync(file, starterText({ host, timeZone: "Europe/Amsterdam", ports: ["usb-1a86_USB_Serial-if00-port0", 'odd"name'] }));
    expect(await stoep(["check", file])).toMatchObject({ code: 0, stderr: "" });
    const text = readFileSync(file, "utf8");
    expect(text).toContain("/dev/serial/by-id/usb-1a86_USB_Serial-if00-port0");
    // With the marks taken away and a driver chosen, what was found is a sensor.
    writeFileSync(file, text.replace(/^ {2}#(sensor-\d:| {2}driver| {2}serial)/gm, "  $1").replaceAll("driver: NAME", "driver: sds011"));
    expect(await stoep(["check", file])).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("stoep migrate", () => {
  const steps = [{ from: 1, says: "2: window is called period", changes: [{ rename: ["window"], to: "period" }] }];
  const said: string[] = [];
  const output = { out: (text: string) => void said.push(text), err: (text: string) => void said.push(text) };

  it("says that there is nothing to do", async () => {
    const { file } = site();
    const before = readFileSync(file, "utf8");
    const { code, stderr } = await stoep(["migrate", file, "--write"]);
    expect(code).toBe(0);
    expect(stderr).toContain("nothing to migrate");
    expect(readFileSync(file, "utf8")).toBe(before);
    expect(existsSync(`${file}.bak-1`)).toBe(false);
  });

  it("writes only when told to, keeps what it was, and never overwrites that", () => {
    const { file } = site();
    writeFileSync(file, "stoep: 1 # first\nwindow: 5m # a remark\n");
    expect(migrateFile(file, false, output, steps, 2)).toBe(0);
    expect(readFileSync(file, "utf8")).toContain("window: 5m");
    expect(said.at(-1)).toBe("stoep: 2 # first\nperiod: 5m # a remark\n");
    expect(migrateFile(file, true, output, steps, 2)).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("stoep: 2 # first\nperiod: 5m # a remark\n");
    expect(readFileSync(`${file}.bak-1`, "utf8")).toBe("stoep: 1 # first\nwindow: 5m # a remark\n");
    writeFileSync(file, "stoep: 1\nwindow: 6m\n");
    expect(migrateFile(file, true, output, steps, 2)).toBe(69);
    expect(readFileSync(file, "utf8")).toBe("stoep: 1\nwindow: 6m\n");
  });
});

describe("stoep config", () => {
  it("prints where each line comes from, also of a file that builds on another one, and check points into that", async () => {
    const { file, folder, storage, live } = site();
    writeFileSync(join(folder, "base.yaml"), `stoep: 1\nbroker: { url: "mqtt://127.0.0.1:1", prefix: a }\nwindow: 10s\n`);
    const own = `extends: base.yaml\nnode: { id: n1 }\nsensors: { air: ${JSON.stringify(SIMULATED)} }\n`;
    writeFileSync(file, `${own}storage: { directory: ${storage}, live: ${live} }\n`);
    const { code, stdout } = await stoep(["config", file]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^window: 10s +# .*base\.yaml:3$/m);
    expect(stdout).toMatch(/^ {2}id: n1 +# .*node\.yaml:2$/m);
    expect(stdout).toMatch(/^ {2}level: info +# default$/m);
    writeFileSync(join(folder, "base.yaml"), "stoep: 1\nwindow: soon\n");
    const wrong = await stoep(["config", file]);
    expect(wrong.code).toBe(78);
    expect(wrong.stderr).toMatch(/base\.yaml:2:9 window: must be/);
  });
});

describe("stoep maintenance", () => {
  it("goes through the socket, survives a kill, and refuses what makes no sense", async () => {
    const place = site();
    const node = await place.runUntilReady();
    const { code, stdout } = await stoep(["maintenance", "air", place.file, "--for", "2h"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^air is under maintenance until \d{4}-/);
    expect((await place.status()).status).toMatchObject({ sensors: { air: "maintenance" } });
    await node.kill9();
    await place.runUntilReady();
    expect((await place.status()).status).toMatchObject({ sensors: { air: "maintenance" } });
    expect((await stoep(["maintenance", "nobody", place.file, "--for", "2h"])).stderr).toContain("there are air");
    for (const length of ["1s", "8d", "soon"]) expect((await stoep(["maintenance", "air", place.file, "--for", length])).code).toBe(64);
    expect((await stoep(["maintenance", "air", place.file])).code).toBe(64);
    expect((await stoep(["maintenance", "air", place.file, "--for", "off"])).stdout).toContain("back at work");
    expect((await place.status()).status).toMatchObject({ sensors: { air: "ok" } });
  });
});
