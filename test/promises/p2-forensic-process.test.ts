import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { inCaptures, onPorts } from "../support/forensic-site.ts";
import { openLab } from "../support/lab.ts";
import { heapOf, tracesAround, watched } from "../support/process-forensics.ts";
import { passed, released } from "../support/scene.ts";

// T10 on the built program: real stores, pseudo terminals, a real broker. Readings that stand nowhere by chance come in at serial ports
// and from captures; when the windows are closed, nothing of them may be found in files, temporary files, the log, the status or what was
// sent, nor what undoes the noise, nor anything of them alive in the heap. Not claimed: memory that was freed and is not overwritten yet.
// A core dump would hold that: LimitCORE=0, and without it no reading of people is taken (test/unit/runtime/people.test.ts).

describe("P2: after a window of road users", () => {
  it("nothing of them is left around a running node, with a reader at the door, nor alive in its heap", { timeout: 150_000 }, async () => {
    const scene = await passed(openLab());
    const { place, subscriber, node } = scene;
    const live = join(place.site.live, "live.db");
    expect(inCaptures().inFiles(place.site.live), "they are held, where this test can find them").not.toEqual([]);
    // Nobody may read along: a second connection would keep pages alive that are purged.
    const reader = new Database(live, { readonly: true, timeout: 0 });
    expect(() => reader.prepare("SELECT count(*) FROM chunk").get()).toThrow(expect.objectContaining({ code: "SQLITE_BUSY" }));
    const files = [live, `${live}-wal`].map((path) => openSync(path, "r"));

    const gone = await released(scene);
    expect(await tracesAround(gone, place.site, node, subscriber.messages)).toEqual([]);
    expect(await tracesAround(onPorts(), place.site, node, subscriber.messages)).toEqual([]);
    expect(
      files.flatMap((file) => gone.in(readFileSync(file))),
      "for somebody who had the files open",
    ).toEqual([]);
    expect(node.stdout).toContain("DriverThrew");
    const heap = await heapOf(place.site, node);
    expect(heap.includes("city/test"), "the heap").toBe(true);
    expect([...gone.inText(heap), ...onPorts().inText(heap)]).toEqual([]);
    for (const file of files) closeSync(file);
    reader.close();
    expect((await node.stop()).code).toBe(0);
    expect(gone.inFiles(place.site.live), "when it has stopped").toEqual([]);
  });
});

describe("P2: the search of the heap finds", () => {
  it.each([
    ["a number that somebody keeps", "globalThis.kept = { last: 63.7 };", "63.7 as digits"],
    ["a text that somebody keeps", 'globalThis.kept = ["a4:c1:38:5e:91:d7 was here"];', "a4c1385e91d7 as hex"],
  ])("%s", { timeout: 60_000 }, async (_, mutant, found) => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:9" }, sensors: { air: { driver: "sds011", serial: { path: "/dev/none" } } } });
    const environment = watched(site, mutant);
    const node = await site.runUntilReady(environment);
    const heap = await heapOf(site, node);
    expect([...onPorts().inText(heap), ...inCaptures().inText(heap)]).toContain(found);
  });
});
