import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { Aedes } from "aedes";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createMqttBroker } from "../../src/adapters/mqtt/mqtt-broker.ts";
import { RecordedLink } from "../support/link-recorder.ts";
import { message } from "../support/messages.ts";
import { Subscriber } from "../support/subscriber.ts";
import { until } from "../support/until.ts";

let aedes: Aedes;
const server = createServer((socket) => aedes.handle(socket));
let url: string;

beforeAll(async () => {
  aedes = await Aedes.createBroker();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(async () => {
  aedes.close();
  server.close();
  await once(server, "close");
});

it("brings messages and the will to a broker of MQTT 3.1.1", async () => {
  const subscriber = await Subscriber.start(url, "city/#", { protocolVersion: 4 });
  const link = new RecordedLink(createMqttBroker({ url, protocol: 4, clientId: "n0042", keepAliveMs: 20_000 }));
  await until(() => link.connected !== null);
  for (let token = 0; token < 100; token++) link.link.publish(message("city/n0042/summary", String(token)), token);
  await until(() => link.acknowledged.length === 100);
  expect(link.acknowledged.every(({ reasonCode }) => reasonCode === 0)).toBe(true);
  link.link.destroy();
  const messages = await subscriber.waitFor(({ length }) => length === 101);
  expect(messages.slice(0, 100).map(({ payload }) => Number(payload.toString()))).toEqual(Array.from({ length: 100 }, (_each, n) => n));
  expect(messages[100]?.topic).toBe("city/n0042/status");
  await subscriber.stop();
});

it("says that a broker of MQTT 3.1.1 does not take MQTT 5", async () => {
  const link = new RecordedLink(createMqttBroker({ url, protocol: 5, clientId: "n0042", keepAliveMs: 20_000 }));
  await until(() => link.cause !== null);
  expect(link.events).toEqual([{ type: "closed", cause: { is: "refused", reasonCode: 0x84 } }]);
});
