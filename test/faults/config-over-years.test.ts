import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Seeded } from "../../src/testing/driver-checks/seeded.ts";
import { faultRow } from "../support/fault-table.ts";
import { expectGauge } from "../support/gauge-oracle.ts";
import { openLab } from "../support/lab.ts";
import { stoep } from "../support/node-process.ts";
import { type Dust, randomDust, sds011Frame } from "../support/sds011.ts";
import { announcedSeed } from "../support/seed.ts";
import { samplesIn, summariesOf } from "../support/summaries.ts";

/** What somebody may do to a node file. */
const BAD_FILES = 40;

describe("P6: a bad file", () => {
  it("P6: a reload that does not hold is taken back within 30 s, and no reading is lost or doubled", { timeout: 180_000 }, async () => {
    const lab = openLab();
    const seeded = new Seeded(announcedSeed("bad reload"));
    const [broker, pty] = await Promise.all([lab.mosquitto(), lab.pty()]);
    const subscriber = await lab.subscriber(broker.url);
    const air = { driver: "sds011", serial: { path: pty.path } };
    const sensors = { air };
    const site = lab.site({ broker: { url: broker.url }, sensors });
    const node = await site.runUntilReady();
    await node.event("SensorOpened");
    const { active } = (await site.status()).status.config;
    const said: Dust[] = [];
    let isOver = false;
    const feeding = (async () => {
      for (; !isOver; await wait(5 + seeded.below(30))) {
        const reading = randomDust(seeded);
        said.push(reading);
        await pty.feed(sds011Frame(reading));
      }
    })();
    site.write({ broker: { url: broker.url }, sensors: { air, late: { driver: "sds011", serial: { path: "/dev/stoep-no-such-port" } } } });
    const fromMs = performance.now();
    node.signal("SIGHUP");
    await node.event("ConfigRolledBack", () => true, 60_000);
    const tookMs = performance.now() - fromMs;
    isOver = true;
    await feeding;
    const { status } = await site.status();
    expect(status.config.active).toBe(active);
    expect(status.config.rejected).toMatch(/^[0-9a-f]{8}$/);
    expect(tookMs).toBeLessThan(30_000);
    await subscriber.waitFor((all) => samplesIn(summariesOf(all, "air.pm10")) >= said.length, 30_000).catch(() => {}); // told below
    let from = 0;
    for (const { id, stats } of summariesOf(subscriber.messages, "air.pm25")) {
      const to = from + (stats?.samples ?? 0);
      if (to > from)
        expectGauge(
          stats,
          said.slice(from, to).map(({ pm25 }) => pm25),
          id,
        );
      from = to;
    }
    expect(from).toBe(said.length);
    expect(node.events("SensorOpened").filter(({ sensor }) => sensor === "air")).toHaveLength(1);
    faultRow({
      fault: "Node file: a new one does not work",
      injected: "SIGHUP with such a file, 1 run, frames coming in",
      promised: "the file before it is back within 30 s; nothing that it is not about notices",
      measured: `back after ${(tookMs / 1_000).toFixed(1)} s; ${said.length} of ${said.length} readings in summaries, once each`,
    });
  });

  it("P6: a file that is damaged at boot does not stop a node", { timeout: 300_000 }, async () => {
    const lab = openLab();
    const seeded = new Seeded(announcedSeed("bad boot"));
    const simulated = { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } };
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors: { air: simulated } });
    const first = await site.runUntilReady();
    writeFileSync(site.file, `${readFileSync(site.file, "utf8")}# once more\n`);
    expect((await stoep(["reload", site.file])).code).toBe(0);
    await first.stop();
    const sound = readFileSync(site.file);
    let ran = 0;
    let slowestMs = 0;
    while (ran < BAD_FILES) {
      const damaged = Buffer.from(sound);
      const at = seeded.below(damaged.length);
      damaged.fill(seeded.below(256), at, Math.min(damaged.length, at + 1 + seeded.below(200)));
      writeFileSync(site.file, seeded.below(3) === 0 ? sound.subarray(0, at) : damaged);
      if ((await stoep(["check", site.file])).code === 0) continue; // it is still a node file
      const node = await site.runUntilReady({ STATE_DIRECTORY: site.storage });
      slowestMs = Math.max(slowestMs, performance.now() - node.startedMs);
      expect(node.events("ConfigGoodUsed")).toHaveLength(1);
      expect((await site.status()).status.health).not.toBe("ok");
      expect((await node.stop()).code).toBe(0);
      ran++;
    }
    faultRow({
      fault: "Node file: damaged at boot",
      injected: `${BAD_FILES} files with random bytes in them or their end missing, each a start`,
      promised: "the last file that held is run, status says degraded and CONFIG_REJECTED",
      measured: `${ran} of ${BAD_FILES} starts, the slowest answered after ${(slowestMs / 1_000).toFixed(1)} s`,
    });
  });
});
