import { describe, expect, it } from "vitest";
import { inCaptures, onPorts } from "../support/forensic-site.ts";
import { openLab } from "../support/lab.ts";
import { heapOf, tracesAround, watched } from "../support/process-forensics.ts";
import { passed, released } from "../support/scene.ts";

// T10 after `kill -9` in the middle of a window: the readings outlive the process, in memory, until the next start closes their window.
// Those of another boot are deleted unread: test/integration/sqlite-live-store.test.ts.

describe("P2: a node that was killed while people passed", () => {
  it("holds their readings in memory only, and leaves nothing of them once it has closed their window", { timeout: 150_000 }, async () => {
    const scene = await passed(openLab());
    const { place, subscriber, node } = scene;
    const { site } = place;
    await node.kill9();
    expect(inCaptures().inFiles(site.live), "what a restart closes").not.toEqual([]);
    for (const canaries of [inCaptures(), onPorts()]) {
      expect(canaries.inFiles(site.folder), "on the card, and where a core would be").toEqual([]);
      expect(canaries.in(node.stdout + node.stderr)).toEqual([]);
    }
    place.unplug();
    const again = await site.runUntilReady(watched(site));
    // Whoever cannot hash under the same secret again says nothing about devices.
    const gone = await released(scene, (stream) => stream !== "radio-c/devices");
    expect(await tracesAround(gone, site, again, subscriber.messages)).toEqual([]);
    expect(await tracesAround(onPorts(), site, again, subscriber.messages)).toEqual([]);
    expect(gone.inText(await heapOf(site, again))).toEqual([]);
    expect((await again.stop()).code).toBe(0);
    expect(gone.inFiles(site.live), "when it has stopped").toEqual([]);
  });
});
