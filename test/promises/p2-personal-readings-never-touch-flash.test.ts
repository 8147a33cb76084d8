import { mkdirSync, readdirSync, readFileSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLab } from "../support/lab.ts";
import type { NodeSite } from "../support/node-process.ts";
import { CAPTURE_HEAD, captureOf } from "../support/ops243.ts";
import { summariesOf, untilPhase } from "../support/summaries.ts";

const WINDOW_MS = 10_000;
const CANARY_KMH = 87.3;
/** TMPFS_MAGIC of statfs(2). */
const TMPFS_MAGIC = 0x01021994;

/** A speed as a record holds it: float64 in the byte order of the machine. */
const canary = Buffer.from(Float64Array.of(CANARY_KMH).buffer);

/** Every file in a folder, and in the folders in it. */
function filesIn(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

/** Files in which the canary stands, in binary or in digits. */
const holders = (folder: string): readonly string[] =>
  filesIn(folder).filter((path) => {
    const bytes = readFileSync(path);
    return bytes.includes(canary) || bytes.includes(String(CANARY_KMH));
  });

/** A street where only the canary drives by, for 5 s. The capture is kept out of the folders of the node. */
function writeStreet(site: NodeSite): string {
  const file = join(site.folder, "street.txt");
  const looks = Array.from({ length: 30 }, () => captureOf([CANARY_KMH], "inbound"))
    .join("")
    .replaceAll("+100ms", "+150ms");
  writeFileSync(file, CAPTURE_HEAD + looks);
  return file;
}

const gateOf = (file: string): Readonly<Record<string, object>> => ({
  gate: {
    driver: "ops243",
    options: { holdOffMs: 100 },
    replay: { file },
    streams: { passages: { policy: "minimum-count" }, speed: { policy: "minimum-count" } },
  },
});

describe("P2: personal readings never touch flash", () => {
  it("P2: readings of people stand in memory only, and are gone from there when their window is closed", { timeout: 60_000 }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors: gateOf("street.txt") });
    writeStreet(site);
    await untilPhase(WINDOW_MS, 500);
    await site.runUntilReady();
    await untilPhase(WINDOW_MS, 6_500);
    expect(holders(site.live).length, "they are held, where this test can find them").toBeGreaterThan(0);
    expect(holders(site.storage)).toEqual([]);
    await subscriber.waitFor((all) => summariesOf(all, "gate.speed").length > 0, 2 * WINDOW_MS);
    await site.statusWhen(({ outbox }) => outbox.rows === 0);
    expect(holders(site.live), "closed and purged, from the write-ahead log too").toEqual([]);
    expect(holders(site.storage)).toEqual([]);
  });

  it("P2: where the folder for them is no memory, no file of readings is made there, and the log says so", {
    timeout: 60_000,
  }, async (context) => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors: gateOf("street.txt") });
    const onDisk = join(site.folder, "on-disk");
    mkdirSync(onDisk);
    if (statfsSync(onDisk).type === TMPFS_MAGIC) context.skip("the temporary folder of this machine is memory");
    site.write({ broker: { url: broker.url }, sensors: gateOf(writeStreet(site)), storage: { live: onDisk } });
    await untilPhase(WINDOW_MS, 500);
    const node = site.run();
    await node.event("LiveStoreOnDisk", ({ path }) => path === onDisk);
    await untilPhase(WINDOW_MS, 6_500);
    expect(filesIn(onDisk), "no file but the socket, which is none").toEqual([]);
    expect(readdirSync(onDisk)).toEqual(["stoep.sock"]);
    expect(holders(site.storage)).toEqual([]);
    await subscriber.waitFor((all) => summariesOf(all, "gate.speed").length > 0, 2 * WINDOW_MS);
    expect(filesIn(onDisk)).toEqual([]);
    expect(holders(site.storage)).toEqual([]);
  });
});
