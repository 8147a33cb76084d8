import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { nodeId } from "../../src/core/units/ids.ts";
import { durationMs } from "../../src/core/units/time.ts";
import { restartNeeds } from "../../src/runtime/plan-change.ts";
import { nodePlan } from "../support/plans.ts";

const manual = readFileSync(new URL("../../config/README.md", import.meta.url), "utf8");

describe("the keys that a reload cannot take over", () => {
  it("are all named in the manual, and no others", () => {
    const before = nodePlan([]);
    const { node, storage, time } = before;
    const after = nodePlan([], {
      node: { ...node, id: nodeId("n0043") },
      storage: { ...storage, directory: `${storage.directory}-2`, live: `${storage.live}-2` },
      time: { ...time, holdoverMs: durationMs(time.holdoverMs + 1) },
    });
    const needed = restartNeeds(before, after).map(({ path }) => path.join("."));
    expect(needed.length).toBeGreaterThanOrEqual(4);
    const list = /its open window is not published\. ([^\n]*\n?[^\n]*?) need a restart\./.exec(manual)?.[1] ?? "";
    const named = [...list.matchAll(/`([\w.]+)`/g)].map(([, key]) => key);
    // Of the file, not of the plan: drivers are loaded before there is one.
    expect(named.sort()).toEqual([...needed, "driverPaths"].sort());
  });
});
