import { describe, expect, it } from "vitest";
import { nodeId } from "../../../src/core/units/ids.ts";
import { epochMs } from "../../../src/core/units/time.ts";
import { NativeFormat } from "../../../src/formats/native.ts";
import { clearRetained, type Retirement, retainedTopics, retireNode } from "../../../src/runtime/retirement.ts";
import { FakeBrokerPort, type PublishAnswer } from "../../../src/testing/fake-broker-port.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { dust } from "../../support/dust.ts";
import { FakeOutbox } from "../../support/fake-outbox.ts";
import { nodePlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

const format = new NativeFormat("p", nodeId("n1"));
const TOPICS = ["p/n1/status", "p/n1/meta", "p/n1/air/meta"];

async function clear(prepare: (broker: FakeBrokerPort) => void = () => {}) {
  const clock = new VirtualClock();
  const broker = new FakeBrokerPort({ clock });
  const outbox = new FakeOutbox();
  outbox.factOf.set("metas", JSON.stringify(["p/n1/meta", "p/n1/air/meta"]));
  for (const topic of TOPICS.slice(1)) outbox.factOf.set(`meta:${topic}`, "5be1c0aa");
  prepare(broker);
  const clearing = clearRetained({ clock, broker, outbox, time: { best: () => epochMs(0) } }, format, TOPICS);
  await clock.advance(120_000);
  return { report: await clearing, broker, outbox };
}

const outcomes = (report: Awaited<ReturnType<typeof clear>>["report"]) => report.topics.map(({ outcome }) => outcome);

describe("clearing what a broker retains", () => {
  it("publishes a retained message of no bytes to each topic, and leaves no will", async () => {
    const { report, broker } = await clear();
    expect(report).toEqual({ topics: TOPICS.map((topic) => ({ topic, outcome: "cleared" })), pending: 0, trouble: null });
    expect(broker.received.map(({ topic, payload, retain, isWill }) => [topic, payload.length, retain, isWill])).toEqual(
      TOPICS.map((topic) => [topic, 0, true, false]),
    );
    expect(broker.open).toBe(0);
  });

  it("has a will that clears too, should the connection break", async () => {
    const { report, broker } = await clear((port) => {
      port.onPublish = (index) => (index === 1 ? { is: "cut", kept: false } : { is: "acknowledge" });
    });
    expect(report.trouble).toBe("network: ECONNRESET");
    expect(outcomes(report)).toEqual(["cleared", "unanswered", "unanswered"]);
    const will = broker.received.find(({ isWill }) => isWill);
    expect([will?.topic, will?.payload.length, will?.retain]).toEqual(["p/n1/status", 0, true]);
  });

  it("forgets what was cleared, and remembers what was not", async () => {
    const { report, outbox } = await clear((port) => {
      port.onPublish = (index) => (index === 1 ? { is: "acknowledge", reasonCode: 0x87 } : { is: "acknowledge" });
    });
    expect(report.trouble).toBe("not-authorised");
    expect(outcomes(report)).toEqual(["cleared", "refused", "cleared"]);
    expect(outbox.factOf.get("meta:p/n1/air/meta"), "queued again by the next start").toBe("");
    expect(outbox.factOf.get("meta:p/n1/meta")).toBe("5be1c0aa");
    expect(await retainedTopics(outbox, format, [])).toEqual(["p/n1/status", "p/n1/meta"]);
  });

  it.each([
    ["a broker that does not answer", { is: "withhold" }, "no answer"],
    ["a broker that has no room", { is: "acknowledge", reasonCode: 0x97 }, "quota-exceeded"],
  ] as readonly (readonly [string, PublishAnswer, string])[])("comes to an end with %s", async (_what, answer, trouble) => {
    const { report, outbox } = await clear((port) => {
      port.onPublish = () => answer;
    });
    expect(report.trouble).toBe(trouble);
    expect(outcomes(report)).not.toContain("cleared");
    expect(outbox.batches).toEqual([]);
  });

  it("comes to an end with a broker that refuses, or says nothing at all", async () => {
    const refused = await clear((port) => {
      port.onConnect = () => ({ is: "fail", cause: { is: "refused", reasonCode: 0x86 } });
    });
    expect(refused.report.trouble).toBe("refused: bad-user-name-or-password");
    const silent = await clear((port) => {
      port.onConnect = () => ({ is: "ignore" });
    });
    expect(silent.report.trouble).toBe("timeout");
  });

  it.each(["that does not answer", "that cannot be reached"])("is broken off in time at a broker %s", async (which) => {
    const clock = new VirtualClock();
    const broker = new FakeBrokerPort({ clock });
    if (which === "that does not answer") broker.onPublish = () => ({ is: "withhold" });
    else broker.onConnect = () => ({ is: "ignore" });
    let isOver = false;
    const world = { clock, broker, outbox: new FakeOutbox(), time: { best: () => epochMs(0) } };
    const clearing = clearRetained(world, format, TOPICS, 3_000).then((report) => {
      isOver = true;
      return report;
    });
    await clock.advance(5_000);
    expect(isOver).toBe(true);
    expect((await clearing).trouble).not.toBeNull();
  });

  it("knows topics of sensors that are gone, and trusts no record that is damaged", async () => {
    const outbox = new FakeOutbox();
    outbox.factOf.set("metas", JSON.stringify(["p/n1/gone/meta", "p/n1/meta"]));
    expect(await retainedTopics(outbox, format, ["p/n1/meta"])).toEqual(["p/n1/status", "p/n1/meta", "p/n1/gone/meta"]);
    for (const text of ["", "[", "{}", "[1]"]) {
      outbox.factOf.set("metas", text);
      expect(await retainedTopics(outbox, format, ["p/n1/meta"])).toEqual(["p/n1/status", "p/n1/meta"]);
    }
  });
});

describe("retiring a running node", () => {
  async function retired(node: VirtualNode): Promise<Retirement> {
    const retiring = retireNode(node.node.parting, { clock: node.clock, broker: node.broker, outbox: node.outbox }, 0);
    retiring.catch(() => undefined);
    await node.clock.advance(60_000);
    return await retiring;
  }

  it("can be done again where the broker did not forget everything", async () => {
    const node = new VirtualNode();
    await node.start(nodePlan([dust()]));
    await node.clock.advance(10_000);
    node.broker.answer = (topic) => (topic.endsWith("/meta") ? 0x97 : 0);
    expect(await retired(node)).toMatchObject({ trouble: "quota-exceeded" });
    node.broker.answer = () => 0;
    const again = await retired(node);
    expect(again.trouble).toBeNull();
    expect(again.topics.map(({ outcome }) => outcome)).toEqual(["cleared", "cleared", "cleared"]);
  });

  it("twice at once is done one after the other: two connections with one name would throw each other out", async () => {
    const node = new VirtualNode();
    await node.start(nodePlan([dust()]));
    await node.clock.advance(10_000);
    const both = [retired(node), retired(node)];
    for (const one of both) expect(await one).toMatchObject({ trouble: null });
    expect(node.broker.requests.length).toBe(3);
  });

  it("that has no connection is refused, and it is left as it is", async () => {
    const node = new VirtualNode();
    node.broker.friendly = false;
    await node.start(nodePlan([dust()]));
    await node.clock.advance(10_000);
    await expect(retired(node)).rejects.toThrow("the node has no connection to its broker");
    expect(node.node.parting.problems.has("RETIRED")).toBe(false);
  });
});

it("only what is retained can be cleared", () => {
  expect(() => format.cleared("p/n1/air/pm25/summary")).toThrow("only status and meta are retained");
});
