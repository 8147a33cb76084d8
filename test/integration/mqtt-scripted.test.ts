import { Socket } from "node:net";
import type { IConnectPacket } from "mqtt-packet";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createMqttBroker, type MqttBrokerOptions } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { FakeBroker, type FakeBrokerScript } from "../support/fake-broker.ts";
import { RecordedLink } from "../support/link-recorder.ts";
import { message } from "../support/messages.ts";
import { until } from "../support/until.ts";

let fake: FakeBroker;

afterEach(async () => {
  vi.restoreAllMocks();
  await fake.stop();
});

async function start(script: FakeBrokerScript = {}, options: Partial<MqttBrokerOptions> = {}) {
  fake = await FakeBroker.start(script);
  return createMqttBroker({ url: fake.url, protocol: 5, clientId: "n0042", keepAliveMs: 20_000, ...options });
}

/** Connects, and says what the connection ended with. */
async function causeOf(...world: Parameters<typeof start>) {
  const link = new RecordedLink(await start(...world));
  await until(() => link.cause !== null, "the end");
  expect(link.events.filter(({ type }) => type === "closed")).toHaveLength(1);
  return link.cause;
}

async function connected(...world: Parameters<typeof start>) {
  const link = new RecordedLink(await start(...world));
  await until(() => link.events.length > 0, "the first event");
  expect(link.connected).not.toBeNull();
  return link;
}

describe("the CONNECT", () => {
  it("of MQTT 5 asks for a clean, short session, and carries the will with its properties", async () => {
    const will = message("city/n0042/status", "{}", { retain: true, expirySeconds: 900 });
    const provided = { username: async () => "n0042", password: async () => "secret" };
    const link = new RecordedLink(await start({}, { ...provided, keepAliveMs: 29_500, inboundBytesMax: 1_000 }), { will });
    await until(() => link.connected !== null);
    expect(fake.received[0]).toMatchObject({
      protocolVersion: 5,
      clean: true,
      clientId: "n0042",
      keepalive: 30,
      username: "n0042",
      password: Buffer.from("secret"),
      properties: { sessionExpiryInterval: 0, maximumPacketSize: 1_000 },
      will: {
        topic: "city/n0042/status",
        payload: Buffer.from("{}"),
        qos: 1,
        retain: true,
        properties: { contentType: "application/json", payloadFormatIndicator: true, messageExpiryInterval: 900 },
      },
    });
  });

  it("of MQTT 3.1.1 has no properties", async () => {
    await connected({}, { protocol: 4 });
    const packet = fake.received[0] as IConnectPacket;
    expect(packet).toMatchObject({ protocolVersion: 4, clean: true, will: { qos: 1, retain: true } });
    expect(packet.properties).toBeUndefined();
    expect(packet.will?.properties).toBeUndefined();
  });

  it("switches Nagle off", async () => {
    const setNoDelay = vi.spyOn(Socket.prototype, "setNoDelay");
    await connected();
    const ours = setNoDelay.mock.contexts.find((socket) => socket instanceof Socket && socket.remotePort === fake.port);
    expect(ours).toBeDefined();
    expect(setNoDelay.mock.calls[setNoDelay.mock.contexts.indexOf(ours as Socket)]).toEqual([true]);
  });
});

describe("the answer of the broker", () => {
  it("carries its limits", async () => {
    const limits = { receiveMaximum: 7, maximumPacketSize: 2_000 };
    const link = await connected({ onConnect: (connection) => connection.connack(0, limits) });
    expect(link.connected).toEqual({ type: "connected", address: `127.0.0.1:${fake.port}`, receiveMaximum: 7, packetBytesMax: 2_000 });
  });

  it("leaves us the limits of MQTT where it has none", async () => {
    for (const protocol of [4, 5] as const) {
      const link = await connected({}, { protocol });
      expect(link.connected).toMatchObject({ receiveMaximum: 65_535, packetBytesMax: null });
      await fake.stop();
    }
    fake = await FakeBroker.start();
  });

  it.each([0x80, 0x84, 0x86, 0x87, 0x8a, 0x97, 0x9f])("refuses with reason %i", async (reasonCode) => {
    expect(await causeOf({ onConnect: (connection) => connection.connack(reasonCode) })).toEqual({ is: "refused", reasonCode });
  });

  it.each([
    [1, 0x84],
    [4, 0x86],
    [5, 0x87],
  ])("refuses MQTT 3.1.1 with return code %i, which is reason %i", async (returnCode, reasonCode) => {
    const script: FakeBrokerScript = { onConnect: (connection) => connection.connack(returnCode) };
    expect(await causeOf(script, { protocol: 4 })).toEqual({ is: "refused", reasonCode });
  });

  it("is understood from a broker that has never heard of MQTT 5", async () => {
    const script: FakeBrokerScript = { onConnect: (connection) => connection.raw([0x20, 0x02, 0x00, 0x01]) };
    expect(await causeOf(script)).toEqual({ is: "refused", reasonCode: 0x84 });
  });

  it("is not believed when it takes no messages at all", async () => {
    const cause = await causeOf({ onConnect: (connection) => connection.connack(0, { receiveMaximum: 0 }) });
    expect(cause).toEqual({ is: "protocol", detail: "limits in the CONNACK are not legal" });
  });

  it("may not come twice", async () => {
    const link = await connected();
    fake.connections[0]?.connack();
    await until(() => link.cause !== null);
    expect(link.cause?.is).toBe("protocol");
  });
});

describe("a PUBLISH", () => {
  it("goes at QoS 1, for the first time, with what says that it is JSON", async () => {
    const link = await connected();
    link.link.publish(message("city/a", '{"n":1}', { retain: true, expirySeconds: 60 }), 1);
    link.link.publish(message("city/b", '{"n":2}'), 2);
    await until(() => link.acknowledged.length === 2);
    const format = { contentType: "application/json", payloadFormatIndicator: true };
    const common = { qos: 1, dup: false };
    expect(fake.publishes).toMatchObject([
      { ...common, topic: "city/a", retain: true, properties: { ...format, messageExpiryInterval: 60 } },
      { ...common, topic: "city/b", retain: false, properties: format },
    ]);
    expect(fake.publishes[1]?.properties).toEqual(format);
  });

  it.each([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x97, 0x99])("is answered with reason %i, and the link lives on", async (code) => {
    const link = await connected({ onPublish: (to, { messageId = 0 }, index) => to.puback(messageId, index === 0 ? code : 0) });
    link.link.publish(message("city/a", "{}"), 7);
    link.link.publish(message("city/b", "{}"), 8);
    await until(() => link.acknowledged.length === 2);
    expect(link.acknowledged.map(({ token, reasonCode }) => [token, reasonCode])).toEqual([
      [7, code],
      [8, 0],
    ]);
    expect(link.cause).toBeNull();
  });

  it("is acknowledged late, not at all, or twice, each by its token and once", async () => {
    const late: number[] = [];
    const link = await connected({
      onPublish: (to, { messageId = 0 }, index) => {
        if (index === 0) late.push(messageId);
        if (index === 2) for (const _time of ["once", "twice"]) to.puback(messageId);
        if (index === 3) for (const id of [messageId, ...late]) to.puback(id);
      },
    });
    for (const token of [10, 11, 12, 13]) link.link.publish(message("city/a", "{}"), token);
    await until(() => link.acknowledged.length === 3);
    link.link.end();
    await until(() => link.cause !== null);
    expect(link.acknowledged.map(({ token }) => token)).toEqual([12, 13, 10]);
  });

  it("that cannot be written ends the link instead of throwing", async () => {
    const link = await connected();
    link.link.publish(message("city/a", "{}", { expirySeconds: -1 }), 1);
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "protocol", detail: "Invalid messageExpiryInterval: -1" });
  });

  it("of an old connection is not sent again over a new one", async () => {
    const broker = await start({ onPublish: () => {} });
    const old = new RecordedLink(broker);
    await until(() => old.connected !== null);
    old.link.publish(message("city/old", "{}"), 1);
    await until(() => fake.publishes.length === 1);
    old.link.destroy();
    await until(() => old.cause !== null);
    const next = new RecordedLink(broker);
    await until(() => next.connected !== null);
    next.link.publish(message("city/new", "{}"), 1);
    await until(() => fake.publishes.length === 2);
    next.link.end();
    await until(() => next.cause !== null);
    expect(fake.publishes.map(({ topic }) => topic)).toEqual(["city/old", "city/new"]);
  });
});

describe("the end", () => {
  it.each([0x8b, 0x8e, 0x93, 0x97])("by DISCONNECT has the broker's reason %i", async (reasonCode) => {
    const link = await connected();
    fake.connections[0]?.disconnect(reasonCode);
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "disconnected", reasonCode });
  });

  it("by a reset is a network cause", async () => {
    const link = await connected({ onPublish: (connection) => connection.cut() });
    link.link.publish(message("city/a", "{}"), 1);
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "network", code: "ECONNRESET" });
    expect(link.acknowledged).toEqual([]);
  });

  it("in the middle of a packet is a network cause", async () => {
    const link = await connected({ onPublish: (connection, { messageId = 0 }) => connection.cutMidPacket(messageId) });
    link.link.publish(message("city/a", "{}"), 1);
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "network", code: "EOF" });
  });

  it("comes to a half-open connection after one and a half keep alives", async () => {
    const link = await connected({}, { keepAliveMs: 1_000 });
    fake.connections[0]?.stopReading();
    const fromMs = performance.now();
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "timeout" });
    expect(performance.now() - fromMs).toBeGreaterThan(1_000);
  });

  it("that we ask for comes within a second from a broker that has stopped reading", async () => {
    const link = await connected();
    fake.connections[0]?.stopReading();
    const fromMs = performance.now();
    link.link.end();
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "asked" });
    expect(performance.now() - fromMs).toBeLessThan(3_000);
  });

  it("that we ask for says DISCONNECT after what was published, unanswered or not", async () => {
    const link = await connected({ onPublish: () => {} });
    link.link.publish(message("city/a", "{}"), 1);
    link.link.end();
    await until(() => link.cause !== null);
    expect(fake.received.map(({ cmd }) => cmd)).toEqual(["connect", "publish", "disconnect"]);
    expect(fake.received.at(-1)).toMatchObject({ reasonCode: 0 });
  });
});

describe("a hostile broker", () => {
  it("does not wedge the link with a PUBACK reason that is not legal", async () => {
    const link = await connected({ onPublish: (to, { messageId = 0 }, index) => to.puback(messageId, index === 0 ? 0x95 : 0) });
    link.link.publish(message("city/a", "{}"), 1);
    link.link.publish(message("city/b", "{}"), 2);
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "protocol", detail: "Invalid puback reason code" });
    expect(link.acknowledged).toEqual([{ type: "acknowledged", token: 1, reasonCode: 0x95 }]);
  });

  it("has what came before such a PUBACK heard, and each message answered by its own", async () => {
    const link = await connected({
      onPublish: (to, { messageId = 0 }, index) => {
        if (index < 2) return;
        // One chunk: the first two well, the third not.
        to.raw(
          [messageId - 2, messageId - 1]
            .flatMap((id) => [0x40, 2, id >> 8, id & 0xff])
            .concat([0x40, 3, messageId >> 8, messageId & 0xff, 0x95]),
        );
      },
    });
    for (const token of [11, 12, 13]) link.link.publish(message("city/a", "{}"), token);
    await until(() => link.cause !== null);
    const answers = new Map(link.acknowledged.map(({ token, reasonCode }) => [token, reasonCode]));
    expect(answers).toEqual(
      new Map([
        [13, 0x95],
        [11, 0],
        [12, 0],
      ]),
    );
  });

  it("cannot fill the memory with a PUBLISH of 200 MB", async () => {
    const bodyBytes = 200_000_000;
    const link = await connected();
    const connection = fake.connections[0];
    const rssBefore = process.memoryUsage.rss();
    const attack = connection?.hugePublish(bodyBytes);
    await until(() => link.cause !== null);
    await attack;
    expect(link.cause).toEqual({ is: "protocol", detail: "a packet of 200000005 bytes, 65536 are allowed" });
    expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(30_000_000);
    expect(connection?.hugeBytesWritten).toBeLessThan(bodyBytes / 10);
  });

  it.each([
    ["an HTTP server", "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["noise", "\u0000\u0001\u0002\u0003\u0004\u0005"],
    ["a PUBCOMP, which MQTT.js would take for a PUBACK", "p\u0002\u0000\u0001"],
  ])("is left when it is %s", async (_what, text) => {
    const fromTheStart = await causeOf({ onConnect: (connection) => connection.raw([...Buffer.from(text, "latin1")]) });
    expect(fromTheStart?.is).toBe("protocol");
    await fake.stop();
    const link = await connected({ onPublish: (connection) => connection.raw([...Buffer.from(text, "latin1")]) });
    link.link.publish(message("city/a", "{}"), 1);
    await until(() => link.cause !== null);
    expect(link.cause?.is).toBe("protocol");
    expect(link.acknowledged).toEqual([]);
  });

  it("cannot send the node to another server: the code is told, and nothing goes there", async () => {
    const elsewhere = await FakeBroker.start();
    const serverReference = `127.0.0.1:${elsewhere.port}`;
    for (const reasonCode of [0x9c, 0x9d]) {
      const cause = await causeOf({ onConnect: (connection) => connection.connack(reasonCode, { serverReference }) });
      expect(cause).toEqual({ is: "refused", reasonCode });
      await fake.stop();
    }
    const link = await connected();
    fake.connections[0]?.disconnect(0x9d, { serverReference });
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "disconnected", reasonCode: 0x9d });
    expect(elsewhere.connections).toEqual([]);
    await elsewhere.stop();
  });

  it("may send small messages that nobody asked for: they go nowhere", async () => {
    const link = await connected();
    fake.connections[0]?.raw([0x32, 0x06, 0x00, 0x01, 0x61, 0x00, 0x07, 0x00]);
    await until(() => fake.received.at(-1)?.cmd === "puback");
    link.link.publish(message("city/a", "{}"), 1);
    await until(() => link.acknowledged.length === 1);
    expect(link.events).toHaveLength(2);
  });
});

describe("secrets", () => {
  it("are read again for each connection", async () => {
    let rotation = 0;
    const broker = await start({}, { username: async () => "n0042", password: async () => `secret ${rotation}` });
    for (rotation of [1, 2]) {
      const link = new RecordedLink(broker);
      await until(() => link.connected !== null);
      link.link.end();
      await until(() => link.cause !== null);
    }
    const connects = fake.received.filter((packet) => packet.cmd === "connect");
    expect(connects.map(({ password }) => password?.toString())).toEqual(["secret 1", "secret 2"]);
  });

  it("that cannot be read end the attempt with the code, and nothing that they are", async () => {
    const missing = Object.assign(new Error("ENOENT: /etc/stoep/the-secret"), { code: "ENOENT" });
    expect(await causeOf({}, { password: () => Promise.reject(missing) })).toEqual({ is: "network", code: "ENOENT" });
    await fake.stop();
    const odd = await causeOf({}, { password: () => Promise.reject(new Error("the-secret is not base64")) });
    expect(odd).toEqual({ is: "network", code: "CREDENTIALS_UNAVAILABLE" });
    expect(fake.connections).toEqual([]);
  });

  it("that are waited for too long are a timeout, and nothing happens when they come after all", async () => {
    const secret = manualPromise();
    const link = new RecordedLink(await start({}, { password: () => secret.promise }), { timeoutMs: 50 });
    await until(() => link.cause !== null);
    expect(link.cause).toEqual({ is: "timeout" });
    secret.resolve("late");
    await new Promise((resolve) => setImmediate(resolve));
    expect(link.events).toHaveLength(1);
    expect(fake.connections).toEqual([]);
  });
});

describe("a broker that is not there", () => {
  it("is a network cause with the code of the system", async () => {
    const broker = await start();
    await fake.stop();
    const link = new RecordedLink(broker);
    await until(() => link.cause !== null);
    expect(link.events).toEqual([{ type: "closed", cause: { is: "network", code: "ECONNREFUSED" } }]);
    fake = await FakeBroker.start();
  });

  it("is a network cause when its name means nothing", async () => {
    // A label of 64 characters: no resolver asks the network about it.
    const link = new RecordedLink(await start({}, { url: `mqtt://${"x".repeat(64)}.example` }));
    await until(() => link.cause !== null);
    expect(link.events).toEqual([{ type: "closed", cause: { is: "network", code: "ENOTFOUND" } }]);
  });
});

/** What `Promise.withResolvers` is from Node 22 on. */
function manualPromise(): { promise: Promise<string>; resolve: (value: string) => void } {
  let resolve: (value: string) => void = () => {};
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
