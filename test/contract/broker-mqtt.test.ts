import { setTimeout as wait } from "node:timers/promises";
import { describe } from "vitest";
import { createMqttBroker } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { FakeBroker } from "../support/fake-broker.ts";
import { skipWithoutMosquitto, startMosquitto } from "../support/mosquitto.ts";
import { Subscriber } from "../support/subscriber.ts";
import { until } from "../support/until.ts";
import { brokerContract } from "./broker-contract.ts";

/** Loopback answers within a millisecond; a stray event has fifty times that. */
const SETTLE_MS = 50;

const adapter = (url: string, protocol: 4 | 5) => createMqttBroker({ url, protocol, clientId: "n0042", keepAliveMs: 20_000 });

for (const protocol of [5, 4] as const) {
  brokerContract(`MQTT ${protocol} on a scripted broker`, async (mood) => {
    const refusal = protocol === 5 ? 0x87 : 5;
    const onConnect = {
      friendly: {},
      refusing: { onConnect: (connection: { connack(code: number): void }) => connection.connack(refusal) },
      silent: { onConnect: () => {} },
    }[mood];
    const fake = await FakeBroker.start(onConnect);
    return {
      broker: adapter(fake.url, protocol),
      received: () =>
        [...fake.publishes, ...fake.wills].map(({ topic, payload, retain = false }) => ({ topic, payload: Buffer.from(payload), retain })),
      until,
      settle: () => wait(SETTLE_MS),
      cut: async () => {
        for (const connection of fake.connections) connection.cut();
      },
      stop: () => fake.stop(),
    };
  });

  describe.skipIf(skipWithoutMosquitto)("mosquitto", () => {
    brokerContract(`MQTT ${protocol} on mosquitto`, async (mood) => {
      const mosquitto = await startMosquitto({ config: [`allow_anonymous ${mood !== "refusing"}`] });
      const subscriber = mood === "friendly" ? await Subscriber.start(mosquitto.url) : null;
      if (mood === "silent") mosquitto.freeze();
      return {
        broker: adapter(mosquitto.url, protocol),
        received: () => subscriber?.messages ?? [],
        until,
        settle: () => wait(SETTLE_MS),
        cut: async () => {
          await mosquitto.kill9();
          await mosquitto.restart();
        },
        stop: async () => {
          await subscriber?.stop();
          await mosquitto.stop();
        },
      };
    });
  });
}
