import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { asItCameIn, inCaptures, onPorts } from "../support/forensic-site.ts";
import { openLab } from "../support/lab.ts";
import { heapOf, tracesAround, watched } from "../support/process-forensics.ts";
import { inMemoryOf } from "../support/process-memory.ts";
import { passed, released } from "../support/scene.ts";

// T10, crash dump. A core is never written: LimitCORE=0, and where one could be written no stream of people is taken (test/unit/runtime/
// people.test.ts). What one would hold is looked for all the same, in the memory of the process. Not claimed: a parsed value may stand in
// SQLite's own memory until that is used again (src/core/anonymise/README.md).

/** In so long a node that goes on working, under a machine with other work, has overwritten what its garbage collector freed. */
const OVERWRITTEN_MS = 40_000;

describe("P2: a core dump", () => {
  it("would hold nothing of what came in as it came in, once that was overwritten; and a crash writes none", {
    timeout: 180_000,
  }, async () => {
    const scene = await passed(openLab());
    const { place, subscriber, node } = scene;
    const gone = await released(scene);
    const heap = await heapOf(place.site, node);
    expect(heap.includes("city/test"), "the heap").toBe(true);
    expect(inMemoryOf(node.pid, new Map([["what it is for", Buffer.from("city/test")]])), "memory can be searched").toHaveLength(1);
    const left = async (): Promise<readonly string[]> => {
      await heapOf(place.site, node); // collects garbage
      return inMemoryOf(node.pid, asItCameIn());
    };
    await expect.poll(left, { timeout: OVERWRITTEN_MS, interval: 1_000 }).toEqual([]);
    expect(await tracesAround(gone, place.site, node, subscriber.messages)).toEqual([]);

    const before = readdirSync(place.site.folder, { recursive: true });
    node.signal("SIGABRT");
    await node.exit;
    expect(readdirSync(place.site.folder, { recursive: true }).toSorted(), "no core, no report").toEqual(before.toSorted());
    for (const canaries of [inCaptures(), onPorts()]) expect(canaries.inFiles(place.site.folder)).toEqual([]);
  });

  it.each([
    ["a line that somebody keeps", 'globalThis.kept = Buffer.from("63.714 km/h");', "a speed on the line"],
    ["a number that somebody keeps", "globalThis.kept = new Float64Array(9).fill(31415.926535897932);", "a count, parsed"],
    ["an address that nobody keeps, freed and not overwritten", 'Buffer.from("b827eb3c719e".repeat(99));', "an address on the line"],
  ])("is searched well enough to find %s", { timeout: 60_000 }, async (_, mutant, found) => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:9" }, sensors: { air: { driver: "sds011", serial: { path: "/dev/none" } } } });
    const node = await site.runUntilReady(watched(site, mutant));
    expect(inMemoryOf(node.pid, asItCameIn())).toContain(found);
  });
});
