import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Seeded } from "../../src/testing/driver-checks/seeded.ts";
import { expectGauge } from "../support/gauge-oracle.ts";
import { openLab } from "../support/lab.ts";
import { type NodeSite, stoep } from "../support/node-process.ts";
import { randomDust, sds011Frame } from "../support/sds011.ts";
import { announcedSeed } from "../support/seed.ts";
import { samplesIn, summariesOf } from "../support/summaries.ts";

const WINDOW_MS = 10_000;
const NOWHERE = "mqtt://127.0.0.1:1";
const SIMULATED = { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } };

/** A municipality's own driver, as one plain file; `session` is the source of its session. */
const driverSource = (name: string, session: string): string => `
const channels = [{ name: "pm25", quantity: "pm25", unit: "ug/m3", range: [0, 1000], resolution: 0.1, sensitivity: "environmental" }];
export default ({ z }) => ({
  apiVersion: 1,
  name: "${name}",
  summary: "a driver that misbehaves",
  port: "serial",
  serial: { baudRate: 9600 },
  options: z.strictObject({}),
  channels: () => channels,
  start: () => ${session},
});
`;

const THROWS_AT_BYTES = '({ handle(event) { if (event.type === "bytes") throw new Error("bytes are too much for me"); } })';
const THROWS_ALWAYS = '({ handle() { throw new Error("everything is too much for me"); } })';
const THROWS_AT_START = '(() => { throw new Error("I do not even start"); })()';
/** Answers that no driver may give. */
const TALKS_NONSENSE = `({ handle(event, out) {
  if (event.type !== "bytes") return;
  out.reading("pm25", "12");
  out.reading("pm25", Number.NaN);
  out.reading("pm25", null);
  out.reading("pm25", 1e9);
  out.reading("no-such-channel", 1);
  out.passage("no-such-channel", { speedKmh: 12 });
  out.total("pm25", Number.POSITIVE_INFINITY);
  out.identity("no-such-channel", new Uint8Array(8));
} })`;

/** Plants a driver beside the node file; gives its entry in driverPaths. */
function plant(site: NodeSite, name: string, session: string): { path: string; sha256: string } {
  const path = join(site.folder, "drivers", name, "driver.mjs");
  mkdirSync(join(site.folder, "drivers", name), { recursive: true });
  writeFileSync(path, driverSource(name, session));
  return { path, sha256: createHash("sha256").update(readFileSync(path)).digest("hex") };
}

describe("P6: trouble stays local", () => {
  it("P6: bad sensors, bad drivers and garbage do not touch a healthy sensor", { timeout: 60_000 }, async () => {
    const lab = openLab();
    const seeded = new Seeded(announcedSeed("P6"));
    const [broker, healthy, garbage, ...ports] = await Promise.all([lab.mosquitto(), ...Array.from({ length: 6 }, () => lab.pty())]);
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors: { healthy: SIMULATED } });
    const bad = {
      "throws-at-bytes": THROWS_AT_BYTES,
      "throws-always": THROWS_ALWAYS,
      "throws-at-start": THROWS_AT_START,
      "talks-nonsense": TALKS_NONSENSE,
    };
    const driverPaths = Object.entries(bad).map(([name, session]) => plant(site, name, session));
    const serial = (driver: string, path: string | undefined): object => ({ driver, serial: { path } });
    site.write({
      broker: { url: broker.url },
      driverPaths,
      sensors: {
        ...Object.fromEntries(Object.keys(bad).map((name, index) => [name, serial(name, ports[index]?.path)])),
        healthy: { ...serial("sds011", healthy?.path), streams: { pm25: {} } },
        absent: serial("sds011", "/dev/stoep-no-such-port"),
        "no-tty": serial("sds011", "/dev/null"),
        garbage: serial("sds011", garbage?.path),
        "no-capture": { driver: "sds011", replay: { file: "no-such-capture.txt" } },
      },
    });
    const node = await site.runUntilReady();
    for (const id of ["healthy", "garbage", ...Object.keys(bad).slice(0, 2), "talks-nonsense"]) {
      await node.event("SensorOpened", ({ sensor }) => sensor === id);
    }
    const said: number[] = [];
    const boundary = WINDOW_MS - (Date.now() % WINDOW_MS);
    const untilMs = performance.now() + boundary + WINDOW_MS + 500; // one whole window, and a little of the next
    while (performance.now() < untilMs) {
      const reading = randomDust(seeded);
      await healthy?.feed(sds011Frame(reading));
      said.push(reading.pm25);
      await garbage?.feed(seeded.bytes(1 + seeded.below(8)));
      // A little: while such a sensor waits for its next try, nobody empties its line.
      for (const port of ports) await port.feed(seeded.bytes(1 + seeded.below(4)));
      await wait(25);
    }

    // A driver that throws at bytes is well from an opening to the next byte.
    const nudging = setInterval(() => {
      for (const port of ports) void port.feed(seeded.bytes(1));
    }, 25);
    const { sensors, status } = await site.statusWhen(
      ({ sensors: all }) => all.healthy?.counters?.stored === said.length && all["throws-at-bytes"]?.state === "fault",
    );
    clearInterval(nudging);
    expect(sensors.healthy).toMatchObject({ state: "ok", balanced: true, counters: { stored: said.length } });
    expect(status.health).toBe("degraded");
    expect(sensors.absent).toMatchObject({ state: "fault", trouble: "gone" });
    expect(sensors["no-tty"]?.state).toBe("fault");
    expect(sensors["no-capture"]).toMatchObject({ state: "fault", trouble: "gone" });
    for (const id of ["throws-at-bytes", "throws-always", "throws-at-start"]) {
      expect(sensors[id], id).toMatchObject({ state: "fault", trouble: "driver-threw" });
      expect(
        node.events("DriverThrew").some(({ sensor }) => sensor === id),
        id,
      ).toBe(true);
    }
    expect(sensors["talks-nonsense"]).toMatchObject({ state: "ok", balanced: true, counters: { stored: 0, setAside: 0 } });
    for (const id of ["garbage", "talks-nonsense"]) expect(sensors[id]?.balanced, id).toBe(true);

    await subscriber.waitFor((all) => samplesIn(summariesOf(all, "healthy.pm25")) >= said.length, 2 * WINDOW_MS);
    let from = 0;
    const summaries = summariesOf(subscriber.messages, "healthy.pm25");
    for (const { id, stats } of summaries) {
      const to = from + (stats?.samples ?? 0);
      // A machine that is busy may need a whole window to open the ports.
      if (to > from) expectGauge(stats, said.slice(from, to), id);
      from = to;
    }
    expect(from).toBe(said.length);
    expect(
      summaries.some(({ coverage }) => coverage === 1),
      "a whole window without a gap",
    ).toBe(true);
    expect((await node.stop()).code).toBe(0);
  });

  it("P6: a driver that is not what was reviewed is refused before anything is opened", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: NOWHERE }, sensors: { healthy: SIMULATED } });
    const { path, sha256 } = plant(site, "throws-always", THROWS_ALWAYS);
    writeFileSync(path, `${readFileSync(path, "utf8")}// changed after the review\n`);
    site.write({
      broker: { url: NOWHERE },
      driverPaths: [{ path, sha256 }],
      sensors: { healthy: SIMULATED, own: { driver: "throws-always", serial: { path: "/dev/ttyS0" } } },
    });
    const { code, stderr } = await stoep(["run", site.file]);
    expect(code).toBe(78);
    expect(stderr).toContain(`pinned is ${sha256}`);
    expect(readdirSync(site.storage)).toEqual([]);
  });

  it.each(["node.db", "live.db"])("P6: a corrupt %s does not stop a start", async (name) => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const site = lab.site({ broker: { url: broker.url }, sensors: { healthy: SIMULATED } });
    const { instance } = (await startAndStop(site)) ?? {};
    const folder = name === "node.db" ? site.storage : site.live;
    for (const file of readdirSync(folder)) if (file.startsWith(name)) writeFileSync(join(folder, file), new Seeded(1).bytes(20_000));
    const node = await site.runUntilReady();
    await site.statusWhen(({ sensors }) => (sensors.healthy?.counters?.stored ?? 0) > 0);
    const { status } = await site.status();
    if (name === "node.db") {
      expect(node.events("OutboxQuarantined")).toHaveLength(1);
      expect(status.problems).toMatchObject([{ code: "OUTBOX_QUARANTINED" }, { code: "SUMMARIES_LOST" }]);
      expect(status.instance, "a new store is a new instance").not.toBe(instance);
    } else {
      expect(node.events("LiveStoreDiscarded")[0]).toMatchObject({ because: "damaged" });
      expect(status.instance).toBe(instance);
    }
  });
});

async function startAndStop(site: NodeSite): Promise<{ readonly instance: string }> {
  const node = await site.runUntilReady();
  const { status } = await site.status();
  await node.kill9();
  return status;
}
