import { mkdirSync, readdirSync, readFileSync, statfsSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLab } from "../support/lab.ts";
import { CAPTURE_HEAD, captureOf } from "../support/ops243.ts";
import type { Received } from "../support/subscriber.ts";
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

/** A street where only the canary drives by, for 4.5 s. */
const STREET =
  CAPTURE_HEAD +
  Array.from({ length: 30 }, () => captureOf([CANARY_KMH], "inbound"))
    .join("")
    .replaceAll("+100ms", "+150ms");

/** It comes through a pipe, so that no file of this test holds it. */
const sensors = {
  gate: {
    driver: "ops243",
    options: { holdOffMs: 100 },
    replay: { file: "street" },
    streams: { speed: { policy: "minimum-count" } },
  },
};

const isPublished = (all: readonly Received[]): boolean => summariesOf(all, "gate.speed").some(({ histogram }) => histogram !== undefined);

describe("P2: personal readings never touch flash", () => {
  it("P2: readings of people stand in memory only, and are gone from there when their window is closed", { timeout: 60_000 }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors });
    const pipe = site.pipe("street");
    await site.runUntilReady();
    // Not in the window in which the store was born: of people that one is not told.
    await untilPhase(WINDOW_MS, WINDOW_MS - 100);
    await untilPhase(WINDOW_MS, 500);
    await writeFile(pipe, STREET);
    await untilPhase(WINDOW_MS, 6_500);
    expect(holders(site.live).length, "they are held, where this test can find them").toBeGreaterThan(0);
    expect(holders(site.storage)).toEqual([]);
    await subscriber.waitFor(isPublished, 2 * WINDOW_MS);
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
    const site = lab.site({ broker: { url: broker.url }, sensors });
    const onDisk = join(site.folder, "on-disk");
    mkdirSync(onDisk);
    if (statfsSync(onDisk).type === TMPFS_MAGIC) context.skip("the temporary folder of this machine is memory");
    site.write({ broker: { url: broker.url }, sensors, storage: { live: onDisk } });
    const pipe = site.pipe("street");
    const node = site.run();
    await node.event("LiveStoreOnDisk", ({ path }) => path === onDisk);
    await node.event("NodeReady");
    // Not in the window in which the store was born: of people that one is not told.
    await untilPhase(WINDOW_MS, WINDOW_MS - 100);
    await untilPhase(WINDOW_MS, 500);
    await writeFile(pipe, STREET);
    await untilPhase(WINDOW_MS, 6_500);
    expect(filesIn(onDisk), "no file but the socket, which is none").toEqual([]);
    expect(readdirSync(onDisk)).toEqual(["stoep.sock"]);
    expect(holders(site.storage)).toEqual([]);
    await subscriber.waitFor(isPublished, 2 * WINDOW_MS);
    expect(filesIn(onDisk)).toEqual([]);
    expect(holders(site.storage)).toEqual([]);
  });
});
