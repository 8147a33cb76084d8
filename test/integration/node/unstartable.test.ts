import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lockDirectory } from "../../../src/adapters/sqlite/directory-lock.ts";
import { openLab } from "../../support/lab.ts";
import { type NodeSite, type SiteConfig, stoep } from "../../support/node-process.ts";

const SIMULATED = { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } };
const MORE = { driver: "simulator", options: { channels: { pm10: { quantity: "pm10", max: 30, everyMs: 50 } } } };
const SOUND: SiteConfig = { broker: { url: "mqtt://127.0.0.1:1" }, sensors: { air: SIMULATED } };
const good = (site: NodeSite): string => readFileSync(join(site.storage, "config.good.yaml"), "utf8");
const fresh = (site: NodeSite): string => join(site.folder, "fresh");

/** Node files that `stoep check` takes, each with what stands in the way of a start, as it is told. */
const UNSTARTABLE: readonly (readonly [string, (site: NodeSite) => Partial<SiteConfig>, RegExp])[] = [
  ["a storage folder in /proc", () => ({ storage: { directory: "/proc/stoep/state" } }), /cannot make \/proc.*check storage\.directory/],
  ["a storage folder that is a file", ({ file }) => ({ storage: { directory: file } }), /cannot make .*check storage\.directory/],
  ["a storage folder that takes no file", () => ({ storage: { directory: "/proc/self" } }), /cannot use .*check storage\.directory/],
  ["a live folder in /proc", () => ({ storage: { live: "/proc/stoep/live" } }), /cannot make \/proc.*check storage\.live/],
  ["a live folder below a file", ({ file }) => ({ storage: { live: join(file, "live") } }), /cannot make .*check storage\.live/],
  ["a live folder without sockets", () => ({ storage: { live: "/proc/self" } }), /cannot listen on .*check the directory and its owner/],
  [
    "a live folder that is too far down for a socket",
    ({ live }) => ({ storage: { live: join(live, "x".repeat(120)) } }),
    /too long for a Unix socket.*shorten storage\.live/,
  ],
  [
    "a folder in place of the socket, and stores elsewhere",
    (site) => {
      mkdirSync(join(site.folder, "live", "stoep.sock"), { recursive: true });
      return { storage: { directory: fresh(site), live: join(site.folder, "live") } };
    },
    /cannot listen on .*stoep\.sock/,
  ],
  [
    "a secret that is not there, and stores elsewhere",
    (site) => ({
      broker: { ...SOUND.broker, username: "n", password: { env: "STOEP_NO_SUCH_SECRET" } },
      storage: { directory: fresh(site) },
    }),
    /STOEP_NO_SUCH_SECRET is not set/,
  ],
];

/** A site whose node has run with a file that is kept as good. */
async function withGood(): Promise<NodeSite> {
  const site = openLab().site(SOUND);
  const node = await site.runUntilReady();
  writeFileSync(site.file, `${readFileSync(site.file, "utf8")}# a remark\n`);
  expect((await stoep(["reload", site.file])).code).toBe(0);
  expect((await node.stop()).code).toBe(0);
  return site;
}

describe("a node whose file is right and cannot be started", () => {
  it.each(UNSTARTABLE)("runs the last file that held, and says why: %s", async (_, change, why) => {
    const site = await withGood();
    const kept = good(site);
    const environment = { STATE_DIRECTORY: site.storage };
    site.write({ ...SOUND, ...change(site) });
    expect(await stoep(["check", site.file])).toMatchObject({ code: 0 });
    const node = await site.runUntilReady(environment);
    await site.answers();
    const { status } = await site.statusWhen(({ sensors }) => sensors.air?.state === "ok");
    const used = node.events("ConfigGoodUsed");
    expect(used).toMatchObject([{ rev: status.config.active, because: expect.stringMatching(why), level: 50 }]);
    expect(used[0]?.because).toContain("What to do: ");
    expect(status).toMatchObject({ health: "degraded", config: { rejected: expect.stringMatching(/^[0-9a-f]{8}$/) } });
    expect(status.config.rejected).not.toBe(status.config.active);
    expect(status.problems.map(({ code }) => code)).toContain("CONFIG_REJECTED");
    expect(node.stderr).toMatch(why);
    expect(node.stderr).toMatch(/config\.good\.yaml .* is run instead.* What to do: repair .*node\.yaml/);
    expect(node.events("NodeStarting"), "nothing was done by the plan that could not be").toHaveLength(1);
    expect(good(site)).toBe(kept);
    // The operator finds it, though the file that he knows names another socket.
    expect((await stoep(["status", site.file], environment)).stdout).toContain("CONFIG_REJECTED");
    // Repaired, it is taken over without a restart.
    site.write({ ...SOUND, sensors: { air: SIMULATED, more: MORE } });
    expect((await stoep(["reload", site.file])).code).toBe(0);
    expect((await site.status()).status.config.rejected).toBeNull();
    expect((await node.stop()).code).toBe(0);
  });

  it.each(UNSTARTABLE)("ends with 69 and why, where no file held before: %s", async (_, change, why) => {
    const site = openLab().site(SOUND);
    site.write({ ...SOUND, ...change(site) });
    const { code, stderr } = await stoep(["run", site.file], { STATE_DIRECTORY: site.storage });
    expect([code, stderr]).toEqual([69, expect.stringMatching(why)]);
    expect(stderr).toContain("What to do: ");
  });

  it("ends with 69 where the file is the one that held, or names the same folders: something else is in the way", async () => {
    const site = await withGood();
    rmSync(site.live, { recursive: true });
    writeFileSync(site.live, "");
    for (const remark of ["", "# another remark\n"]) {
      writeFileSync(site.file, `${readFileSync(site.file, "utf8")}${remark}`);
      const { code, stdout, stderr } = await stoep(["run", site.file], { STATE_DIRECTORY: site.storage });
      expect([code, stderr]).toEqual([69, expect.stringMatching(/cannot make .*check storage\.live/)]);
      expect(stdout).not.toContain("ConfigGoodUsed");
    }
  });

  it("closes what the first attempt had opened", async () => {
    const site = await withGood();
    const environment = { STATE_DIRECTORY: site.storage };
    site.write({ ...SOUND, storage: { directory: fresh(site), live: "/proc/stoep/live" } });
    const node = await site.runUntilReady(environment);
    lockDirectory(fresh(site)).release();
    await site.answers();
    await site.statusWhen(({ sensors }) => sensors.air?.state === "ok");
    expect((await node.stop()).code).toBe(0);
  });

  it("never runs beside another node that has its stores: that is no matter of the file", async () => {
    const site = await withGood();
    const node = await site.runUntilReady();
    site.write({ ...SOUND, log: { level: "warn" } });
    const environment = { STATE_DIRECTORY: site.storage };
    const again = await stoep(["run", site.file], environment);
    expect([again.code, again.stderr]).toEqual([69, expect.stringMatching(/another node works in .* What to do: stop it first/)]);
    // Also where the file names the folder of another one by mistake, and its own would be free.
    const other = await withGood();
    other.write({ ...SOUND, node: { id: "other" }, storage: { directory: site.storage } });
    const beside = await stoep(["run", other.file], { STATE_DIRECTORY: other.storage });
    expect([beside.code, beside.stderr]).toEqual([69, expect.stringContaining("another node works in")]);
    for (const { stderr, stdout } of [again, beside]) expect(`${stderr}${stdout}`).not.toContain("is run instead");
    expect((await site.status()).sensors.air?.state).toBe("ok");
    expect((await node.stop()).code).toBe(0);
  });
});
