import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Seeded } from "../../../src/testing/driver-checks/seeded.ts";
import { expectGauge } from "../../support/gauge-oracle.ts";
import { openLab } from "../../support/lab.ts";
import { type NodeSite, PREFIX, type SiteConfig, stoep } from "../../support/node-process.ts";
import { type Dust, randomDust, sds011Frame } from "../../support/sds011.ts";
import { announcedSeed } from "../../support/seed.ts";
import { expectEveryWindow, expectWholeHistory, samplesIn, summariesOf } from "../../support/summaries.ts";

const NOWHERE = { url: "mqtt://127.0.0.1:1" };
const SIMULATED = { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } };
const MORE = { driver: "simulator", options: { channels: { pm10: { quantity: "pm10", max: 30, everyMs: 50 } } } };
const FEED_MS = 24_000;
const goodOf = (site: NodeSite): string => join(site.storage, "config.good.yaml");
const kept = (site: NodeSite): string | null => {
  try {
    return readFileSync(goodOf(site), "utf8");
  } catch {
    return null;
  }
};

/** A node that has taken over its file once, so that it is kept as good. */
async function withGood(config: SiteConfig): Promise<{ site: NodeSite; node: Awaited<ReturnType<NodeSite["runUntilReady"]>> }> {
  const site = openLab().site(config);
  const node = await site.runUntilReady();
  writeFileSync(site.file, `${readFileSync(site.file, "utf8")}# a remark\n`);
  expect((await stoep(["reload", site.file])).code).toBe(0);
  expect(kept(site)).toContain("# a remark\n");
  return { site, node };
}

describe("stoep reload", () => {
  it("takes over a changed file under load: every reading is in exactly one summary, on either side of it", {
    timeout: 90_000,
  }, async () => {
    const lab = openLab();
    const seeded = new Seeded(announcedSeed("reload"));
    const [broker, pty, late] = await Promise.all([lab.mosquitto(), lab.pty(), lab.pty()]);
    const subscriber = await lab.subscriber(broker.url);
    const air = { driver: "sds011", serial: { path: pty.path } };
    const site = lab.site({ broker: { url: broker.url }, sensors: { air } });
    const node = await site.runUntilReady();
    await node.event("SensorOpened");
    const said: Dust[] = [];
    const feeding = (async () => {
      for (const untilMs = performance.now() + FEED_MS; performance.now() < untilMs; await wait(5 + seeded.below(30))) {
        const reading = randomDust(seeded);
        said.push(reading);
        await pty.feed(sds011Frame(reading));
      }
    })();
    // Another sensor, another stream beside the first two, other words about the node: each while frames come.
    const changes: readonly Partial<SiteConfig>[] = [
      { sensors: { air, late: { driver: "sds011", serial: { path: late.path } } } },
      { sensors: { air: { ...air, streams: { pm25: {}, pm10: {}, slow: { channel: "pm25", window: "20s" } } } } },
      { sensors: { air }, node: { id: "n0042", name: "renamed" }, log: { level: "debug" } },
    ];
    for (const change of changes) {
      await wait(3_000);
      site.write({ broker: { url: broker.url }, sensors: { air }, ...change });
      const { code, stdout, stderr } = await stoep(["reload", site.file]);
      expect(code, stderr).toBe(0);
      expect(stdout).toContain("is active");
    }
    await feeding;
    await subscriber.waitFor((all) => samplesIn(summariesOf(all, "air.pm10")) >= said.length, 25_000).catch(() => {}); // told below
    for (const name of ["pm25", "pm10"] as const) {
      let from = 0;
      for (const { id, stats } of summariesOf(subscriber.messages, `air.${name}`)) {
        const to = from + (stats?.samples ?? 0);
        if (to > from)
          expectGauge(
            stats,
            said.slice(from, to).map((reading) => reading[name]),
            id,
          );
        from = to;
      }
      expect(from, name).toBe(said.length);
    }
    await node.stop();
    const history = expectWholeHistory(subscriber.messages, PREFIX);
    expectEveryWindow(history.filter(({ stream }) => stream === "pm25" || stream === "pm10").filter(({ sensor }) => sensor === "air"));
    expect(
      node.events("SensorOpened").filter(({ sensor }) => sensor === "air"),
      "its port was never touched",
    ).toHaveLength(1);
    expect(node.events("ConfigApplied")).toHaveLength(3);
  });

  it("keeps the node as it runs when the file is wrong, and says where", async () => {
    const { site, node } = await withGood({ broker: NOWHERE, sensors: { air: SIMULATED } });
    const before = (await site.status()).status.config.active;
    const good = kept(site);
    const files = [
      [
        site.write.bind(site, { broker: NOWHERE, sensors: { air: { ...SIMULATED, drivr: "x" } } }),
        /node\.yaml:\d+:\d+ sensors\.air\.drivr: /,
      ],
      [() => writeFileSync(site.file, "stoep: 1\n  bad\n: yaml: [\n"), /node\.yaml:\d+:\d+ .*not valid YAML/],
      [
        site.write.bind(site, { broker: NOWHERE, node: { id: "other" }, sensors: { air: SIMULATED } }),
        /node\.yaml:\d+:\d+ node\.id: .*restart/,
      ],
      [
        site.write.bind(site, {
          broker: { ...NOWHERE, username: "n", password: { env: "STOEP_NO_SUCH_SECRET" } },
          sensors: { air: SIMULATED },
        }),
        /STOEP_NO_SUCH_SECRET is not set.* What to do/,
      ],
    ] as const;
    for (const [write, said] of files) {
      write();
      const { code, stderr } = await stoep(["reload", site.file, "--socket", join(site.live, "stoep.sock")]);
      expect(code).toBe(78);
      expect(stderr).toMatch(said);
      const { status, sensors } = await site.status();
      expect(status.config).toMatchObject({ active: before, rejected: expect.stringMatching(/^[0-9a-f]{8}$/) });
      expect(status.config.rejected).not.toBe(before);
      expect(status.problems.map(({ code: problem }) => problem)).toContain("CONFIG_REJECTED");
      expect(sensors.air?.state).toBe("ok");
    }
    expect(kept(site), "what held stays kept").toBe(good);
    expect(node.events("SensorOpened")).toHaveLength(1);
    expect(node.events("ConfigRejected")).toHaveLength(4);
  });

  it("does nothing for a file that is the one that runs, and reads it on SIGHUP", async () => {
    const site = openLab().site({ broker: NOWHERE, sensors: { air: SIMULATED } });
    const node = await site.runUntilReady();
    const { code, stdout } = await stoep(["reload", site.file, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ is: "unchanged", rejected: null });
    site.write({
      broker: NOWHERE,
      sensors: { air: SIMULATED, more: MORE },
      log: { level: "warn" },
    });
    node.signal("SIGHUP");
    await site.statusWhen(({ sensors }) => sensors.more?.state === "ok");
    expect(node.events("SensorOpened").filter(({ sensor }) => sensor === "air")).toHaveLength(1);
    expect(node.events("ConfigApplied"), "the log is as quiet as the new file says").toHaveLength(0);
    expect((await node.stop()).code).toBe(0);
  });

  it("leaves nothing behind at the broker under another prefix, and says everything to another broker", async () => {
    const lab = openLab();
    const [broker, other] = await Promise.all([lab.mosquitto(), lab.mosquitto()]);
    const site = lab.site({ broker: { url: broker.url }, sensors: { air: SIMULATED } });
    await site.runUntilReady();
    const isFilled = () => site.statusWhen(({ connection, outbox }) => connection.isUp && outbox.rows === 0);
    const retainedAt = async (url: string): Promise<readonly string[]> => {
      const witness = await lab.subscriber(url, "#");
      await witness.roundTrip();
      return witness.messages.map(({ topic }) => topic).sort();
    };
    const topicsUnder = (prefix: string): readonly string[] => ["air/meta", "meta", "status"].map((end) => `${prefix}/n0042/${end}`);
    await isFilled();
    expect(await retainedAt(broker.url)).toEqual(topicsUnder(PREFIX));
    site.write({ broker: { url: broker.url, prefix: "town" }, sensors: { air: SIMULATED } });
    expect((await stoep(["reload", site.file])).code).toBe(0);
    await isFilled();
    expect(await retainedAt(broker.url)).toEqual(topicsUnder("town"));
    site.write({ broker: { url: other.url, prefix: "town" }, sensors: { air: SIMULATED } });
    expect((await stoep(["reload", site.file])).code).toBe(0);
    await isFilled();
    expect(await retainedAt(other.url)).toEqual(topicsUnder("town"));
  });

  it("on SIGHUP that SIGTERM follows at once ends as it should", async () => {
    const site = openLab().site({ broker: NOWHERE, sensors: { air: SIMULATED } });
    const node = await site.runUntilReady();
    site.write({ broker: NOWHERE, sensors: { air: SIMULATED, more: MORE } });
    node.signal("SIGHUP");
    expect((await node.stop()).code).toBe(0);
  });

  it("ends with 69 and a remedy when no node runs", async () => {
    const site = openLab().site({ broker: NOWHERE, sensors: { air: SIMULATED } });
    const { code, stderr } = await stoep(["reload", site.file]);
    expect(code).toBe(69);
    expect(stderr).toContain("What to do: start it");
  });
});

describe("a node whose file is wrong at the start", () => {
  it.each([
    ["is no YAML any more", "node: { id: n0042\n"],
    ["is empty", ""],
    ["has a mistake in its storage", null],
  ])("runs the last file that held: %s", async (_, text) => {
    const { site, node } = await withGood({ broker: NOWHERE, sensors: { air: SIMULATED } });
    const { active } = (await site.status()).status.config;
    await node.stop();
    const good = kept(site);
    if (text === null) site.write({ broker: NOWHERE, sensors: { air: SIMULATED }, storage: { livee: "x" } });
    else writeFileSync(site.file, text);
    // An empty file does not tell where it kept its state: the service manager does.
    const again = await site.runUntilReady({ STATE_DIRECTORY: site.storage });
    const status = await site.statusWhen(({ sensors }) => sensors.air?.state === "ok");
    expect(status.status).toMatchObject({ health: "degraded", config: { active } });
    expect(status.status.config.rejected).toMatch(/^[0-9a-f]{8}$/);
    expect(status.status.problems.map(({ code }) => code)).toContain("CONFIG_REJECTED");
    expect(again.events("ConfigGoodUsed")).toMatchObject([{ rev: active }]);
    expect(again.stderr).toMatch(/node\.yaml:\d+:\d+ /);
    expect(again.stderr).toMatch(/config\.good\.yaml .* What to do: repair .*node\.yaml/);
    expect(kept(site)).toBe(good);
    // Repaired, it is taken over without a restart.
    site.write({
      broker: NOWHERE,
      sensors: { air: SIMULATED, more: MORE },
    });
    expect((await stoep(["reload", site.file])).code).toBe(0);
    expect((await site.status()).status.config.rejected).toBeNull();
  });

  it("ends with 78 where no file held before, or the one that did is damaged, or is another node's", async () => {
    const { site, node } = await withGood({ broker: NOWHERE, sensors: { air: SIMULATED } });
    await node.stop();
    site.write({ broker: NOWHERE, sensors: { air: { ...SIMULATED, drivr: "x" } } });
    const good = kept(site) ?? "";
    for (const damaged of [
      good.replace("simulator", "simulated"),
      good.replace(site.file, "/elsewhere/node.yaml"),
      good.slice(0, -2),
      "",
    ]) {
      expect(damaged).not.toBe(good);
      writeFileSync(goodOf(site), damaged);
      expect((await stoep(["run", site.file], { STATE_DIRECTORY: site.storage })).code).toBe(78);
    }
  });
});
