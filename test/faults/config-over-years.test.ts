import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Seeded } from "../../src/testing/driver-checks/seeded.ts";
import { faultRow } from "../support/fault-table.ts";
import { expectGauge } from "../support/gauge-oracle.ts";
import { openLab } from "../support/lab.ts";
import { type NodeSite, stoep } from "../support/node-process.ts";
import { type Dust, randomDust, sds011Frame } from "../support/sds011.ts";
import { announcedSeed } from "../support/seed.ts";
import { samplesIn, summariesOf } from "../support/summaries.ts";

/** What somebody may do to a node file. */
const BAD_FILES = 40;
const UNSTARTABLE_FILES = 20;
const SIMULATED = { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } };

/** A node that has run, and left a good file behind. */
async function withGood(site: NodeSite): Promise<void> {
  const first = await site.runUntilReady();
  writeFileSync(site.file, `${readFileSync(site.file, "utf8")}# once more\n`);
  expect((await stoep(["reload", site.file])).code).toBe(0);
  await first.stop();
}

/** Whether a text that is a node file names other folders or another broker: they would be anywhere on this machine, or on the net. */
function leadsElsewhere(text: string, sound: string): boolean {
  const places = (of: string) => {
    const { storage, broker } = parse(of) as { storage?: unknown; broker?: unknown };
    return JSON.stringify([storage, broker]);
  };
  return places(text) !== places(sound);
}

/** A start that has to succeed, with what the node says then, and its sensor at work. */
async function runsOnce(site: NodeSite) {
  const node = await site.runUntilReady({ STATE_DIRECTORY: site.storage });
  await site.answers();
  const startMs = performance.now() - node.startedMs;
  const { status } = await site.statusWhen(({ sensors }) => sensors.air?.state === "ok");
  expect((await node.stop()).code).toBe(0);
  return { config: status.config, codes: status.problems.map(({ code }) => code), startMs };
}

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

  it("P6: a file that is damaged at boot does not stop a node", { timeout: 600_000 }, async () => {
    const lab = openLab();
    const seeded = new Seeded(announcedSeed("bad boot"));
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors: { air: SIMULATED } });
    await withGood(site);
    const sound = readFileSync(site.file);
    let ran = 0;
    let stillRight = 0;
    let slowestMs = 0;
    while (ran < BAD_FILES) {
      const damaged = Buffer.from(sound);
      const at = seeded.below(damaged.length);
      const length = seeded.below(3) === 0 ? 1 : 1 + seeded.below(200);
      damaged.fill(seeded.below(256), at, Math.min(damaged.length, at + length));
      writeFileSync(site.file, seeded.below(3) === 0 ? sound.subarray(0, at) : damaged);
      const isRight = (await stoep(["check", site.file])).code === 0;
      // Those that name other folders are the next test.
      if (isRight && leadsElsewhere(readFileSync(site.file, "utf8"), sound.toString())) continue;
      const node = await site.runUntilReady({ STATE_DIRECTORY: site.storage });
      slowestMs = Math.max(slowestMs, performance.now() - node.startedMs);
      expect(node.events("ConfigGoodUsed")).toHaveLength(isRight ? 0 : 1);
      if (!isRight) expect((await site.status()).status.health).not.toBe("ok");
      expect((await node.stop()).code).toBe(0);
      if (isRight) stillRight++;
      else ran++;
    }
    const starts = `${ran} of ${BAD_FILES} starts, and ${stillRight} starts of files that were still right`;
    faultRow({
      fault: "Node file: damaged at boot",
      injected: `${BAD_FILES} files with random bytes in them or their end missing, each a start`,
      promised: "the last file that held is run, status says degraded and CONFIG_REJECTED",
      measured: `${starts}, the slowest answered after ${(slowestMs / 1_000).toFixed(1)} s`,
    });
  });

  it("P6: a file that is right and names what cannot be used does not stop a node", { timeout: 600_000 }, async () => {
    const lab = openLab();
    const seeded = new Seeded(announcedSeed("unstartable"));
    const broker = await lab.mosquitto();
    const sound = { broker: { url: broker.url }, sensors: { air: SIMULATED } };
    const site = lab.site(sound);
    await withGood(site);
    const places = ["/proc/stoep/a", "/proc/self", "/sys/stoep", "/dev/null", "/dev/null/a", site.file, join(site.file, "a")];
    const pick = (from: readonly string[]): string => from[seeded.below(from.length)] ?? "";
    const faults = {
      directory: () => ({ storage: { directory: pick(places) } }),
      live: () => ({ storage: { live: pick([...places, join(site.live, "x".repeat(100 + seeded.below(100)))]) } }),
      both: () => ({ storage: { directory: pick(places), live: pick(places) } }),
      fresh: () => ({ storage: { directory: join(site.folder, `fresh-${seeded.below(1_000)}`), live: pick(places) } }),
      metrics: () => ({ metrics: { port: broker.port } }),
    };
    let slowestMs = 0;
    for (let ran = 0; ran < UNSTARTABLE_FILES; ran++) {
      const name = pick(Object.keys(faults)) as keyof typeof faults;
      const what = JSON.stringify(faults[name]());
      site.write({ ...sound, ...(JSON.parse(what) as object) });
      expect((await stoep(["check", site.file])).code, what).toBe(0);
      const { config, codes, startMs } = await runsOnce(site);
      slowestMs = Math.max(slowestMs, startMs);
      if (name === "metrics") expect([codes, config.rejected], what).toEqual([expect.arrayContaining(["METRICS_PORT_REFUSED"]), null]);
      else
        expect([codes, config.rejected], what).toEqual([
          expect.arrayContaining(["CONFIG_REJECTED"]),
          expect.stringMatching(/^[0-9a-f]{8}$/),
        ]);
    }
    const what = "folders that cannot be made or used, no place for a socket, a port of metrics that is taken";
    faultRow({
      fault: "Node file: right, but names what cannot be used",
      injected: `${UNSTARTABLE_FILES} files: ${what}; each a start`,
      promised: "the last file that held is run (CONFIG_REJECTED), or this one without its metrics (METRICS_PORT_REFUSED)",
      measured: `${UNSTARTABLE_FILES} of ${UNSTARTABLE_FILES} starts, the slowest answered after ${(slowestMs / 1_000).toFixed(1)} s`,
    });
  });
});
