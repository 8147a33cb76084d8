import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { serveControl } from "../../../src/adapters/control-socket.ts";
import type { Finding } from "../../../src/cli/doctor/finding.ts";
import { type Lab, openLab } from "../../support/lab.ts";
import { stoep } from "../../support/node-process.ts";
import { speaking } from "../../support/sds011.ts";

/** A broker where nodes may write below their own name only, and a node may read its own doctor topic. */
async function strictBroker(lab: Lab, config: readonly string[] = []) {
  const { dir } = await lab.mosquitto(); // a folder of its own
  const acl = join(dir, "acl");
  const rules =
    "pattern write city/test/%c/#\npattern read city/test/+/doctor\ntopic write city/test/n0042/#\ntopic read city/test/n0042/doctor\n";
  const lines = ["allow_anonymous true", `acl_file ${acl}`, ...config];
  return await lab.mosquitto({ config: lines, files: { [acl]: rules } });
}

const air = { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } };

async function doctor(words: readonly string[]): Promise<{ code: number; findings: readonly Finding[]; stderr: string }> {
  const { code, stdout, stderr } = await stoep(["doctor", ...words, "--json"]);
  return { code, findings: JSON.parse(stdout) as Finding[], stderr };
}

const of = (findings: readonly Finding[], what: string): Finding | undefined => findings.find((finding) => finding.what === what);

describe("stoep doctor", () => {
  it("asks the running node about its ports and its uplink, and opens none of them", { timeout: 60_000 }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const pty = await lab.pty();
    const sensors = { dust: { driver: "sds011", serial: { path: pty.path } }, gone: { driver: "sds011", serial: { path: "/dev/none" } } };
    const site = lab.site({ broker: { url: broker.url }, sensors });
    const node = await site.runUntilReady();
    await node.event("SensorOpened");
    const device = speaking(pty);
    await site.statusWhen(({ connection }) => connection.isUp);
    const { code, findings } = await doctor([site.file]);
    expect(code, "one sensor is broken").toBe(2);
    expect(of(findings, "node")).toMatchObject({ verdict: "broken", says: expect.stringContaining("SENSOR_") });
    expect(of(findings, "uplink")).toMatchObject({ verdict: "ok", says: expect.stringContaining(`127.0.0.1:${broker.port}`) });
    expect(of(findings, "sensor gone")).toMatchObject({ verdict: "broken", remedy: expect.stringContaining("journalctl") });
    expect(of(findings, "subscribers"), "nobody is there").toMatchObject({ verdict: "advice", remedy: expect.stringContaining("#") });
    const said = await device.off();
    await site.statusWhen(({ sensors: { dust } }) => dust?.counters?.stored === 2 * said); // nobody took its bytes
    await lab.subscriber(broker.url);
    expect((await node.stop()).code).toBe(0);
    await site.runUntilReady();
    await site.statusWhen(({ connection }) => connection.isHeard === true);
    expect(of((await doctor([site.file])).findings, "subscribers")).toMatchObject({ verdict: "ok" });
  });

  it("looks without a node as well: a port that is not there, a broker that is not there, each with a remedy", async () => {
    const site = openLab().site({
      broker: { url: "mqtt://127.0.0.1:9" },
      sensors: { gone: { driver: "sds011", serial: { path: "/dev/none" } } },
    });
    const { code, findings } = await doctor([site.file]);
    expect(code).toBe(2);
    expect(of(findings, "node")).toMatchObject({ verdict: "skipped", remedy: expect.stringContaining("stoep run") });
    expect(of(findings, "sensor gone")).toMatchObject({ verdict: "broken", remedy: expect.stringContaining("/dev/serial/by-id") });
    expect(of(findings, "broker")).toMatchObject({ verdict: "broken", says: "mqtt://127.0.0.1:9: ECONNREFUSED" });
    for (const what of ["clock", "memory", "live store", "card", "sqlite"]) expect(of(findings, what), what).toBeDefined();
  });

  it("says of a node that waits for room on the disk that it waits, and looks at the rest", async () => {
    const site = openLab().site({ broker: { url: "mqtt://127.0.0.1:9" }, sensors: { air } });
    const waiting = { code: "DISK_FULL", path: "/var/lib/stoep", freeBytes: 0, remedy: "make room" };
    const node = await serveControl(join(site.live, "stoep.sock"), { "/status": () => ({ waiting }) });
    onTestFinished(() => node.close());
    const { code, findings } = await doctor([site.file]);
    expect(code).toBe(2);
    expect(of(findings, "node")).toMatchObject({ verdict: "broken", says: expect.stringContaining("waits"), remedy: "make room" });
    expect(of(findings, "clock")).toBeDefined();
  });

  it("ends with 78 when the file has mistakes, and says which command names them", async () => {
    const site = openLab().site({ broker: { url: "mqtt://192.0.2.1" }, sensors: {} });
    const { code, stderr } = await stoep(["doctor", site.file]);
    expect(code).toBe(78);
    expect(stderr).toContain(`stoep check ${site.file}`);
  });
});

describe("stoep doctor --broker, with a real mosquitto", () => {
  it("finds that a node may write as another, and that a queue is too short", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto(); // as Debian ships it: everybody may do everything, 1000 messages wait
    const site = lab.site({ broker: { url: broker.url }, sensors: { air } });
    const { findings } = await doctor([site.file, "--broker"]);
    expect(of(findings, "own topics")).toMatchObject({ verdict: "ok" });
    expect(of(findings, "denied topic")).toMatchObject({ verdict: "advice", remedy: expect.stringContaining("pattern write") });
    expect(of(findings, "queue")).toMatchObject({ verdict: "advice", says: expect.stringMatching(/kept 1000,/) });
  });

  it("is content with a broker that is set up well", async () => {
    const lab = openLab();
    const broker = await strictBroker(lab, ["max_queued_messages 0"]);
    const site = lab.site({ node: { id: "n0042" }, broker: { url: broker.url }, sensors: { air } });
    const { findings } = await doctor([site.file, "--broker"]);
    for (const what of ["own topics", "denied topic", "queue"]) expect(of(findings, what), what).toMatchObject({ verdict: "ok" });
  });

  it("finds that the node may not write its own topics", async () => {
    const lab = openLab();
    const broker = await strictBroker(lab);
    const site = lab.site({ node: { id: "n0043" }, broker: { url: broker.url }, sensors: { air } });
    const { code, findings } = await doctor([site.file, "--broker"]);
    expect(code).toBe(2);
    expect(of(findings, "own topics")).toMatchObject({ verdict: "broken", says: "city/test/n0043/doctor is refused with 0x87" });
  });

  it("says what MQTT 3.1.1 cannot tell", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto({ config: ["allow_anonymous true", "max_queued_messages 0"] });
    const site = lab.site({ broker: { url: broker.url, protocol: 4 }, sensors: { air } });
    const { findings } = await doctor([site.file, "--broker"]);
    for (const what of ["own topics", "denied topic"]) expect(of(findings, what), what).toMatchObject({ verdict: "skipped" });
    expect(of(findings, "queue")).toMatchObject({ verdict: "ok" });
  });

  it.each([
    { keeps: true, config: ["allow_anonymous true", "max_queued_messages 0"], verdict: "ok", says: "all 20 messages" },
    { keeps: false, config: ["allow_anonymous true"], verdict: "broken", says: "0 of 20 messages" },
  ])("tells whether a killed broker kept what it acknowledged: $keeps", { timeout: 60_000 }, async ({ keeps, config, verdict, says }) => {
    const lab = openLab();
    const broker = await lab.mosquitto({ config, persistence: keeps });
    const site = lab.site({ broker: { url: broker.url }, sensors: { air } });
    const before = await doctor([site.file, "--before-restart"]);
    expect(of(before.findings, "restart")).toMatchObject({ verdict: "skipped", remedy: expect.stringContaining("--after-restart") });
    await new Promise((resolve) => setTimeout(resolve, keeps ? 2_500 : 0)); // autosave_interval 1
    await broker.kill9();
    await broker.restart();
    const after = await doctor([site.file, "--after-restart"]);
    expect(of(after.findings, "restart")).toMatchObject({ verdict, says: expect.stringContaining(says) });
  });
});
