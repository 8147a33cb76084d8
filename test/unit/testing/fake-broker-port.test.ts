import { describe, expect, it } from "vitest";
import { FakeBrokerPort, type PublishAnswer } from "../../../src/testing/fake-broker-port.ts";
import { RecordedLink } from "../../support/link-recorder.ts";
import { manualClock } from "../../support/manual-clock.ts";
import { lostStatus, message } from "../../support/messages.ts";

function open(limits: { receiveMaximum?: number; packetBytesMax?: number } = {}) {
  const clock = manualClock(0);
  const broker = new FakeBrokerPort({ clock, oneWayMs: 10, ...limits });
  const link = new RecordedLink(broker);
  clock.advance(20);
  expect(link.connected).toMatchObject({ receiveMaximum: limits.receiveMaximum ?? 65_535, packetBytesMax: limits.packetBytesMax ?? null });
  const answer = (...answers: PublishAnswer[]) => {
    broker.onPublish = (index) => answers[index] ?? { is: "acknowledge" };
  };
  const topics = () => broker.received.map(({ topic }) => topic);
  return { clock, broker, link, answer, topics };
}

const first = message("city/first", "{}");
const second = message("city/second", "{}");

describe("the fake broker port", () => {
  it("takes a round trip to acknowledge, and no less", () => {
    const { clock, link } = open();
    link.link.publish(first, 1);
    clock.advance(19);
    expect(link.acknowledged).toEqual([]);
    clock.advance(1);
    expect(link.acknowledged).toEqual([{ type: "acknowledged", token: 1, reasonCode: 0 }]);
  });

  it("acknowledges late, out of turn", () => {
    const { clock, link, answer, topics } = open();
    answer({ is: "acknowledge", lateMs: 500 });
    link.link.publish(first, 1);
    link.link.publish(second, 2);
    clock.advance(519);
    expect(link.acknowledged.map(({ token }) => token)).toEqual([2]);
    clock.advance(1);
    expect(link.acknowledged.map(({ token }) => token)).toEqual([2, 1]);
    expect(topics()).toEqual(["city/first", "city/second"]);
  });

  it("acknowledges twice, and has the message once", () => {
    const { clock, link, answer, topics } = open();
    answer({ is: "acknowledge", times: 2 });
    link.link.publish(first, 1);
    clock.advance(1_000);
    expect(link.acknowledged.map(({ token }) => token)).toEqual([1, 1]);
    expect(topics()).toEqual(["city/first"]);
  });

  it("has a message that it withholds the acknowledgement of, and not one that it refuses", () => {
    const { clock, link, answer, topics } = open();
    answer({ is: "withhold" }, { is: "acknowledge", reasonCode: 0x97 });
    link.link.publish(first, 1);
    link.link.publish(second, 2);
    clock.advance(60_000);
    expect(link.acknowledged).toEqual([{ type: "acknowledged", token: 2, reasonCode: 0x97 }]);
    expect(topics()).toEqual(["city/first"]);
  });

  it("hands a message out twice and acknowledges it once", () => {
    const { clock, link, answer, topics } = open();
    answer({ is: "duplicate" });
    link.link.publish(first, 1);
    clock.advance(100);
    expect(topics()).toEqual(["city/first", "city/first"]);
    expect(link.acknowledged).toHaveLength(1);
  });

  it.each([
    [true, ["city/first", "city/n0042/status"]],
    [false, ["city/n0042/status"]],
  ])("cuts, having kept the message: %s; what was under way is lost, the will is sent", (kept, topicsThen) => {
    const { clock, broker, link, answer, topics } = open();
    answer({ is: "cut", kept });
    link.link.publish(first, 1);
    link.link.publish(second, 2);
    clock.advance(100);
    expect(link.events.at(-1)).toEqual({ type: "closed", cause: { is: "network", code: "ECONNRESET" } });
    expect(link.acknowledged).toEqual([]);
    expect(topics()).toEqual(topicsThen);
    expect(broker.received.at(-1)).toMatchObject({ ...lostStatus, isWill: true, attempt: 0 });
    expect(broker.open).toBe(0);
  });

  it("throws out a client that has more in flight than it said it takes", () => {
    const { clock, link } = open({ receiveMaximum: 1 });
    link.link.publish(first, 1);
    link.link.publish(second, 2);
    clock.advance(100);
    expect(link.cause).toEqual({ is: "disconnected", reasonCode: 0x93 });
  });

  it("counts as in flight only what is not acknowledged", () => {
    const { clock, link } = open({ receiveMaximum: 1 });
    for (const token of [1, 2, 3]) {
      link.link.publish(first, token);
      clock.advance(20);
    }
    expect(link.acknowledged.map(({ token }) => token)).toEqual([1, 2, 3]);
  });

  it("throws out a client whose packet is larger than it said it takes", () => {
    const { clock, link, topics } = open({ packetBytesMax: first.topic.length + 2 });
    link.link.publish(first, 1);
    link.link.publish(message("city/first", "{ }"), 2);
    clock.advance(100);
    expect(link.cause).toEqual({ is: "disconnected", reasonCode: 0x95 });
    expect(topics()).toEqual(["city/first", "city/n0042/status"]);
  });

  it("keeps the bytes as they were when they arrived", () => {
    const { clock, broker, link } = open();
    const scratch = message("city/first", "before");
    link.link.publish(scratch, 1);
    clock.advance(20);
    scratch.payload.fill(0);
    expect(new TextDecoder().decode(broker.received[0]?.payload)).toBe("before");
  });

  it("delivers what was sent before an end, and forgets the will", () => {
    const { clock, broker, link, topics } = open();
    link.link.publish(first, 1);
    link.link.end();
    clock.advance(100);
    expect(topics()).toEqual(["city/first"]);
    expect(link.events.slice(1)).toEqual([
      { type: "acknowledged", token: 1, reasonCode: 0 },
      { type: "closed", cause: { is: "asked" } },
    ]);
    expect(broker.open).toBe(0);
  });

  it("ends within a second however long the way is", () => {
    const clock = manualClock(0);
    const broker = new FakeBrokerPort({ clock, oneWayMs: 700 });
    const link = new RecordedLink(broker);
    clock.advance(1_400);
    link.link.end();
    clock.advance(1_000);
    expect(link.cause).toEqual({ is: "asked" });
  });
});
