import { afterEach, describe, expect, it } from "vitest";
import type { Message } from "../../src/core/anonymise/message.ts";
import type { Broker } from "../../src/ports/broker.ts";
import { RecordedLink } from "../support/link-recorder.ts";
import { lostStatus, message } from "../support/messages.ts";

/** A broker that is reached through the port under test, and a look at what it got. */
export interface BrokerWorld {
  readonly broker: Broker;
  /** Messages and wills that the broker has, in order. */
  readonly received: () => readonly Pick<Message, "topic" | "payload" | "retain">[];
  /** Lets time pass until `done` holds; rejects when that takes too long. */
  readonly until: (done: () => boolean) => Promise<void>;
  /** Lets enough time pass for anything that is still under way to arrive. */
  readonly settle: () => Promise<void>;
  /** Breaks the connections without a goodbye. */
  readonly cut: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** How a broker meets a client. */
export type Mood = "friendly" | "refusing" | "silent";

/** The promises of the `Broker` port, for every implementation of it. */
export function brokerContract(name: string, startWorld: (mood: Mood) => Promise<BrokerWorld>): void {
  describe(`the broker port: ${name}`, () => {
    let world: BrokerWorld | null = null;
    const start = async (mood: Mood) => {
      world = await startWorld(mood);
      return world;
    };
    const connected = async ({ broker, until }: BrokerWorld) => {
      const link = new RecordedLink(broker);
      await until(() => link.events.length > 0);
      expect(link.connected).not.toBeNull();
      return link;
    };
    afterEach(async () => {
      await world?.stop();
      world = null;
    });

    it("tells nothing from within connect, then the address and the limits", async () => {
      const { broker, until } = await start("friendly");
      const link = new RecordedLink(broker);
      expect(link.events).toEqual([]);
      await until(() => link.events.length > 0);
      expect(link.connected?.address).toMatch(/^.+:\d+$/);
      expect(link.connected?.receiveMaximum).toBeGreaterThanOrEqual(1);
    });

    it("delivers each message as it was given, in order, and acknowledges each token", async () => {
      const all = await start("friendly");
      const link = await connected(all);
      const messages = Array.from({ length: 20 }, (_each, index) =>
        message(`city/t${index}`, `{"n":${index},"é":"ü"}`, { retain: index % 2 === 0 }),
      );
      for (const [token, each] of messages.entries()) link.link.publish(each, token);
      expect(link.acknowledged, "not from within publish").toEqual([]);
      await all.until(() => link.acknowledged.length === 20 && all.received().length === 20);
      expect(all.received().map(plain)).toEqual(messages.map(plain));
      expect(link.acknowledged.map(({ token }) => token)).toEqual(messages.map((_each, token) => token));
      for (const { reasonCode } of link.acknowledged) expect([0x00, 0x10]).toContain(reasonCode);
    });

    it("says goodbye on end: closed as asked, and no will", async () => {
      const all = await start("friendly");
      const link = await connected(all);
      link.link.end();
      expect(link.cause, "not from within end").toBeNull();
      await all.until(() => link.cause !== null);
      await all.settle();
      expect(link.cause).toEqual({ is: "asked" });
      expect(all.received()).toEqual([]);
    });

    it("cuts on destroy: closed as asked, and the broker sends the will", async () => {
      const all = await start("friendly");
      const link = await connected(all);
      link.link.destroy();
      expect(link.cause, "not from within destroy").toBeNull();
      await all.until(() => link.cause !== null && all.received().length > 0);
      expect(link.cause).toEqual({ is: "asked" });
      expect(all.received().map(plain)).toEqual([plain(lostStatus)]);
    });

    it("tells only the end when it is called off before it is connected", async () => {
      const { broker, until, settle } = await start("friendly");
      const cut = new RecordedLink(broker);
      cut.link.destroy();
      const ended = new RecordedLink(broker);
      ended.link.end();
      await until(() => cut.cause !== null && ended.cause !== null);
      await settle();
      for (const { events } of [cut, ended]) expect(events).toEqual([{ type: "closed", cause: { is: "asked" } }]);
    });

    it("tells the end once, and nothing after it, whatever is called", async () => {
      const all = await start("friendly");
      const link = await connected(all);
      link.onEvent = (event) => {
        if (event.type === "closed") link.link.publish(message("city/late", "{}"), 2);
      };
      link.link.publish(message("city/first", "{}"), 1);
      link.link.end();
      link.link.end();
      link.link.destroy();
      await all.until(() => link.cause !== null);
      link.link.destroy();
      link.link.end();
      link.link.publish(message("city/later", "{}"), 3);
      await all.settle();
      expect(link.events.filter(({ type }) => type === "closed")).toHaveLength(1);
      expect(link.events.at(-1)?.type).toBe("closed");
      expect(all.received().map(({ topic }) => topic)).not.toContain("city/late");
      expect(all.received().map(({ topic }) => topic)).not.toContain("city/later");
    });

    it("reports a refusal with a reason of MQTT 5", async () => {
      const { broker, until } = await start("refusing");
      const link = new RecordedLink(broker);
      await until(() => link.cause !== null);
      expect(link.events).toEqual([{ type: "closed", cause: { is: "refused", reasonCode: 0x87 } }]);
    });

    it("gives up on a broker that says nothing", async () => {
      const { broker, until } = await start("silent");
      const link = new RecordedLink(broker, { timeoutMs: 100 });
      await until(() => link.cause !== null);
      expect(link.events).toEqual([{ type: "closed", cause: { is: "timeout" } }]);
    });

    it("reports a connection that breaks, and a new one knows nothing of it", async () => {
      const all = await start("friendly");
      const link = await connected(all);
      await all.cut();
      await all.until(() => link.cause !== null);
      expect(link.cause?.is).toBe("network");
      const next = await connected(all);
      next.link.publish(message("city/next", "{}"), 1);
      await all.until(() => next.acknowledged.length === 1);
      expect(link.events).toHaveLength(2);
    });
  });
}

function plain({ topic, payload, retain }: Pick<Message, "topic" | "payload" | "retain">) {
  return { topic, text: new TextDecoder().decode(payload), retain };
}
