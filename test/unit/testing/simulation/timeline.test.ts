import { expect, it } from "vitest";
import { Seeded } from "../../../../src/testing/driver-checks/seeded.ts";
import { Timeline } from "../../../../src/testing/simulation/timeline.ts";

it("runs what is due in the order of its time, and of being asked for", async () => {
  const timeline = new Timeline();
  const seeded = new Seeded(1);
  const wanted = Array.from({ length: 500 }, (_, order) => ({ atMs: seeded.below(50), order }));
  const ran: typeof wanted = [];
  for (const task of wanted) timeline.at(task.atMs, () => ran.push(task));
  await timeline.runUntil(49);
  expect(ran).toEqual(wanted.toSorted((a, b) => a.atMs - b.atMs || a.order - b.order));
  expect([timeline.nowMs, timeline.steps]).toEqual([49, 500]);
});

it("lets a chain of awaits come to rest before the next task, however long it is", async () => {
  const timeline = new Timeline();
  const seen: string[] = [];
  const chain = async (): Promise<void> => {
    for (let turn = 0; turn < 10_000; turn++) await Promise.resolve();
    seen.push("chain");
  };
  timeline.after(1, () => void chain());
  timeline.after(1, () => seen.push("next"));
  timeline.onStep = () => seen.push("step");
  await timeline.runUntil(1);
  expect(seen).toEqual(["chain", "step", "next", "step"]);
});

it("runs late what was due while a call stalled, and nothing that was called off", async () => {
  const timeline = new Timeline();
  const ranAtMs: number[] = [];
  timeline.at(5, () => timeline.stall(100));
  timeline.at(7, () => ranAtMs.push(timeline.nowMs));
  timeline.at(8, () => ranAtMs.push(-1))();
  await timeline.runUntil(10);
  expect([ranAtMs, timeline.nowMs]).toEqual([[105], 105]);
});

it("knows until when it ran in one piece", async () => {
  const timeline = new Timeline();
  expect(timeline.ranUntilMs(10)).toBe(0);
  timeline.at(100, () => timeline.stall(50));
  timeline.at(110, () => timeline.stall(30));
  const seen: (readonly [number, number])[] = [];
  for (const atMs of [99, 185, 191, 300]) timeline.at(atMs, () => seen.push([timeline.nowMs, timeline.ranUntilMs(10)]));
  await timeline.runUntil(400);
  expect(seen).toEqual([
    [99, 99],
    [185, 100],
    [191, 191],
    [300, 300],
  ]);
});

it("stops after the task that ends it", async () => {
  const timeline = new Timeline();
  let ran = 0;
  for (const atMs of [1, 2, 3]) timeline.at(atMs, () => void ran++);
  await timeline.runUntil(10, () => ran === 2);
  expect([ran, timeline.nowMs]).toEqual([2, 2]);
});
