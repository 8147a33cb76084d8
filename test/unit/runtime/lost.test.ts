import { expect, it } from "vitest";
import { dust, W } from "../../support/dust.ts";
import { nodePlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

const HOUR = 3_600_000;
const problems = (node: VirtualNode) => node.node.status().status.problems.map(({ code }) => code);

async function running(node = new VirtualNode()): Promise<VirtualNode> {
  await node.start(nodePlan([dust()]));
  await node.clock.advance(2 * W);
  return node;
}

it("a node says once which summaries will never arrive, and is degraded for a day", async () => {
  const node = await running();
  expect([node.events.of("SummariesLost"), problems(node)]).toEqual([[], []]);
  node.outbox.lost = [{ fromSeq: 1, toSeq: 2, reason: "dropped" }];
  await node.clock.advance(10 * W);
  expect(node.events.of("SummariesLost")).toEqual([{ type: "SummariesLost", fromSeq: 1, toSeq: 2, reason: "dropped" }]);
  expect(problems(node)).toEqual(["SUMMARIES_LOST"]);
  node.outbox.lost = [...node.outbox.lost, { fromSeq: 5, toSeq: 5, reason: "refused" }];
  await node.clock.advance(10 * W);
  expect(node.events.of("SummariesLost").slice(1)).toMatchObject([{ fromSeq: 5, toSeq: 5, reason: "refused" }]);
  node.clock.stall(25 * HOUR);
  await node.clock.advance(2 * W);
  expect(problems(node)).not.toContain("SUMMARIES_LOST");
});

it("a node says also what is found lost before what it said already, and only what is new of a range that grew", async () => {
  const node = await running();
  const told = () => node.events.of("SummariesLost").map(({ fromSeq, toSeq }) => [fromSeq, toSeq]);
  const steps = [
    [{ fromSeq: 500, toSeq: 500, reason: "damaged" }],
    [
      { fromSeq: 100, toSeq: 180, reason: "outbox-full" },
      { fromSeq: 500, toSeq: 500, reason: "damaged" },
    ],
    [
      { fromSeq: 100, toSeq: 190, reason: "outbox-full" },
      { fromSeq: 500, toSeq: 500, reason: "damaged" },
    ],
  ];
  for (const lost of steps) {
    node.outbox.lost = lost;
    await node.clock.advance(2 * W);
  }
  expect(told()).toEqual([
    [500, 500],
    [100, 180],
    [181, 190],
  ]);
});

it("a node says how many summaries of a damaged store are lost by now, each time it is more", async () => {
  const node = await running();
  const totals = () => node.events.of("EarlierSummariesLost").map(({ total }) => total);
  for (const total of [7, 9, null]) {
    node.outbox.lostEarlier = total;
    await node.clock.advance(5 * W);
  }
  expect(totals()).toEqual([7, 9, null]);
  expect(problems(node)).toEqual(["SUMMARIES_LOST"]);
});

it("a node says nothing of what was lost before it started: that run has said it", async () => {
  const node = new VirtualNode();
  node.outbox.lost = [{ fromSeq: 1, toSeq: 2, reason: "dropped" }];
  node.outbox.lostEarlier = 7;
  await running(node);
  expect([node.events.of("SummariesLost"), node.events.of("EarlierSummariesLost"), problems(node)]).toEqual([[], [], []]);
  expect(node.node.status().status.outbox).toMatchObject({ lost: [{ fromSeq: 1, toSeq: 2 }], lostEarlier: 7 });
});
