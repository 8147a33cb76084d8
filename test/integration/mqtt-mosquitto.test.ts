import { afterEach, describe, expect, it } from "vitest";
import { createMqttBroker } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { RecordedLink } from "../support/link-recorder.ts";
import { message } from "../support/messages.ts";
import { type Mosquitto, type MosquittoOptions, skipWithoutMosquitto, startMosquitto } from "../support/mosquitto.ts";
import { Subscriber } from "../support/subscriber.ts";
import { until } from "../support/until.ts";

describe.skipIf(skipWithoutMosquitto)("the MQTT adapter on mosquitto", () => {
  let mosquitto: Mosquitto;
  let subscriber: Subscriber | null = null;

  afterEach(async () => {
    await subscriber?.stop();
    subscriber = null;
    await mosquitto.stop();
  });

  const start = async (options: MosquittoOptions = {}, keepAliveMs = 20_000) => {
    mosquitto = await startMosquitto(options);
    return createMqttBroker({ url: mosquitto.url, protocol: 5, clientId: "n0042", keepAliveMs });
  };
  const connect = async (broker: Awaited<ReturnType<typeof start>>) => {
    const link = new RecordedLink(broker);
    await until(() => link.connected !== null);
    return link;
  };

  it("learns that it takes 20 at a time unless told otherwise", async () => {
    const link = await connect(await start());
    expect(link.connected).toEqual({
      type: "connected",
      address: `127.0.0.1:${mosquitto.port}`,
      receiveMaximum: 20,
      packetBytesMax: null,
    });
  });

  it("brings 10,000 messages over in order, 20 in flight, refilled one for one", async () => {
    const count = 10_000;
    const inFlightMax = 20;
    const broker = await start({ config: ["allow_anonymous true", "max_queued_messages 0"] });
    subscriber = await Subscriber.start(mosquitto.url, "city/#");
    const link = await connect(broker);
    let sent = 0;
    const publishNext = () => {
      if (sent < count) link.link.publish(message("city/n0042/summary", String(sent)), sent++);
    };
    link.onEvent = publishNext;
    for (let index = 0; index < inFlightMax; index++) publishNext();
    const { messages } = subscriber;
    await subscriber.waitFor(() => messages.length === count, 20_000);
    expect(messages.map(({ payload }) => Number(payload.toString()))).toEqual(Array.from({ length: count }, (_each, index) => index));
    await until(() => link.acknowledged.length === count);
    expect(link.acknowledged.map(({ token }) => token)).toEqual(Array.from({ length: count }, (_each, index) => index));
    expect(link.acknowledged.every(({ reasonCode }) => reasonCode === 0)).toBe(true);
  });

  it("shows what a message is, how long it is good for, and keeps what is retained", async () => {
    const broker = await start();
    const link = await connect(broker);
    link.link.publish(message("city/n0042/meta", "{}", { retain: true, expirySeconds: 900 }), 1);
    await until(() => link.acknowledged.length === 1);
    subscriber = await Subscriber.start(mosquitto.url);
    const [kept] = await subscriber.waitFor(({ length }) => length === 1);
    expect(kept).toMatchObject({
      topic: "city/n0042/meta",
      retain: true,
      properties: { contentType: "application/json", payloadFormatIndicator: true },
    });
    expect(kept?.properties?.messageExpiryInterval).toBeGreaterThan(890);
  });

  it("hears that nobody is listening", async () => {
    const link = await connect(await start());
    link.link.publish(message("city/n0042/summary", "{}"), 1);
    await until(() => link.acknowledged.length === 1);
    expect(link.acknowledged[0]?.reasonCode).toBe(0x10);
  });

  it("loses its connection to another node of its name; 0x8e says so, but mosquitto 2.0.11 just closes", async () => {
    const broker = await start();
    const first = await connect(broker);
    const second = await connect(broker);
    await until(() => first.cause !== null);
    expect([
      { is: "disconnected", reasonCode: 0x8e },
      { is: "network", code: "EOF" },
    ]).toContainEqual(first.cause);
    expect(second.cause).toBeNull();
  });

  it("is not left hanging by a message that is larger than the broker takes", async () => {
    // mosquitto 2.0 answers with a PUBACK reason that is not legal; later ones announce the limit and disconnect.
    const link = await connect(await start({ config: ["allow_anonymous true", "message_size_limit 100"] }));
    link.link.publish(message("city/n0042/summary", "x".repeat(200)), 1);
    await until(() => link.cause !== null);
    expect(["protocol", "disconnected"]).toContain(link.cause?.is);
  });

  it("notices a broker that froze, by the keep alive, and its will is sent when the broker thaws", async () => {
    const broker = await start({}, 1_000);
    const link = await connect(broker);
    subscriber = await Subscriber.start(mosquitto.url, "#", { keepalive: 60 });
    mosquitto.freeze();
    link.link.publish(message("city/n0042/summary", "{}"), 1);
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "timeout" });
    expect(link.acknowledged).toEqual([]);
    mosquitto.thaw();
    const messages = await subscriber.waitFor(({ length }) => length === 2);
    expect(messages.map(({ topic }) => topic)).toEqual(["city/n0042/summary", "city/n0042/status"]);
  });

  it("comes back to a broker that was killed, and finds there what was retained and written", async () => {
    const broker = await start({ persistence: true });
    const link = await connect(broker);
    link.link.publish(message("city/n0042/meta", '{"rev":1}', { retain: true }), 1);
    await until(() => link.acknowledged.length === 1);
    await mosquitto.restart();
    await until(() => link.cause !== null);
    const next = await connect(broker);
    subscriber = await Subscriber.start(mosquitto.url, "city/n0042/meta");
    const [kept] = await subscriber.waitFor(({ length }) => length === 1);
    expect(kept?.payload.toString()).toBe('{"rev":1}');
    expect(next.cause).toBeNull();
  });
});
