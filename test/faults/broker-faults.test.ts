import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { MqttBrokerOptions } from "../../src/adapters/mqtt/mqtt-broker.ts";
import type { PublisherLimits } from "../../src/runtime/publisher-limits.ts";
import { DeliveryRig, doubled, idsIn } from "../support/delivery-rig.ts";
import { faultRow } from "../support/fault-table.ts";
import { type Lab, openLab } from "../support/lab.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/until.ts";

const LIVES = 6;
const KEEP_ALIVE_MS = 5_000;
const SESSION = { clientId: "witness", clean: false, properties: { sessionExpiryInterval: 3_600 } };
const DURABLE = { persistence: true, config: ["allow_anonymous true", "max_queued_messages 0"] };

async function rigAt(url: string, limits: Partial<PublisherLimits> = {}, options: Partial<MqttBrokerOptions> = {}): Promise<DeliveryRig> {
  const rig = await DeliveryRig.start("n1", { url, keepAliveMs: KEEP_ALIVE_MS, ...options }, limits);
  onTestFinished(() => rig.stop());
  return rig;
}

async function proxyTo(port: number): Promise<TcpProxy> {
  const proxy = await TcpProxy.start(port);
  onTestFinished(() => proxy.stop());
  return proxy;
}

const rows = (count: number, sensor = "a") => Array.from({ length: count }, () => ({ sensor }));

/** Everything that was made has arrived; how often something came twice. */
async function expectAll(rig: DeliveryRig, ...witnesses: readonly Awaited<ReturnType<Lab["subscriber"]>>[]): Promise<number> {
  for (const witness of witnesses.slice(-1)) await witness.roundTrip();
  const ids = witnesses.flatMap(({ messages }) => idsIn(messages));
  expect([...new Set(ids)].sort()).toEqual([...rig.ids].sort());
  expect(rig.lost).toEqual([]);
  return doubled(ids);
}

it("a broker that is killed, and starts again, six times", async () => {
  const lab = openLab();
  const broker = await lab.mosquitto(DURABLE);
  const rig = await rigAt(broker.url);
  const witnesses = [await lab.subscriber(broker.url, "#", SESSION)];
  for (let life = 0; life < LIVES; life++) {
    await rig.untilUp(120_000); // connections this short do not count as good ones: backoff grows

    await rig.add(...rows(50));
    await rig.untilDrained();
    await witnesses.at(-1)?.roundTrip();
    broker.freeze(); // what is sent now is under way when it dies
    await rig.add(...rows(50));
    await broker.kill9();
    await rig.add(...rows(50));
    await broker.restart();
    witnesses.push(await lab.subscriber(broker.url, "#", SESSION));
  }
  await rig.untilDrained(120_000);
  const twice = await expectAll(rig, ...witnesses);
  faultRow({
    fault: "Broker: killed",
    injected: `${LIVES} times kill -9 of mosquitto with 20 messages under way, started again at once`,
    promised: "nothing lost; what was not acknowledged is sent again, with the same id",
    measured: `${rig.ids.length} of ${rig.ids.length} arrived, ${twice} twice`,
  });
});

it("a broker that freezes, and goes on", async () => {
  const lab = openLab();
  const broker = await lab.mosquitto(DURABLE);
  const rig = await rigAt(broker.url);
  const witness = await lab.subscriber(broker.url, "#", SESSION);
  await rig.untilUp();
  await rig.add(...rows(50));
  await rig.untilDrained();
  broker.freeze();
  const frozenMs = performance.now();
  await rig.add(...rows(50));
  await until(() => !rig.publisher.report.isUp, "noticed", 3 * KEEP_ALIVE_MS);
  const noticedMs = performance.now() - frozenMs;
  expect(noticedMs).toBeLessThanOrEqual(1.5 * KEEP_ALIVE_MS + 2_000);
  broker.thaw();
  await rig.untilDrained(60_000);
  const twice = await expectAll(rig, witness);
  faultRow({
    fault: "Broker: frozen",
    injected: `SIGSTOP of mosquitto with 20 messages under way, keep alive ${KEEP_ALIVE_MS / 1_000} s`,
    promised: "noticed after 1.5 keep alives at most (45 s by default); nothing lost",
    measured: `noticed after ${(noticedMs / 1_000).toFixed(1)} s; all ${rig.ids.length} arrived, ${twice} twice`,
  });
});

it("a connection that is half open", async () => {
  const lab = openLab();
  const broker = await lab.mosquitto();
  const proxy = await proxyTo(broker.port);
  const rig = await rigAt(proxy.url);
  const witness = await lab.subscriber(broker.url);
  await rig.untilUp();
  await rig.add(...rows(50));
  await rig.untilDrained();
  proxy.weather = "silence";
  const silentMs = performance.now();
  await rig.add(...rows(50));
  await until(() => !rig.publisher.report.isUp, "noticed", 3 * KEEP_ALIVE_MS);
  const noticedMs = performance.now() - silentMs;
  expect(noticedMs).toBeLessThanOrEqual(1.5 * KEEP_ALIVE_MS + 2_000);
  proxy.weather = "fair";
  await rig.untilDrained(60_000);
  const twice = await expectAll(rig, witness);
  expect(twice, "the broker never had them").toBe(0);
  faultRow({
    fault: "Broker: half-open connection",
    injected: `a proxy swallows both directions and tells nobody, keep alive ${KEEP_ALIVE_MS / 1_000} s`,
    promised: "noticed after 1.5 keep alives at most (45 s by default); nothing lost",
    measured: `noticed after ${(noticedMs / 1_000).toFixed(1)} s; all ${rig.ids.length} arrived, none twice`,
  });
});

it("acknowledgements that do not arrive", async () => {
  const lab = openLab();
  const broker = await lab.mosquitto();
  const proxy = await proxyTo(broker.port);
  const rig = await rigAt(proxy.url, { ackTimeoutMs: 2_000 }, { keepAliveMs: 60_000 });
  const witness = await lab.subscriber(broker.url);
  await rig.untilUp();
  proxy.weather = "deaf";
  await rig.add(...rows(100));
  await until(() => !rig.publisher.report.isUp, "cut", 10_000);
  proxy.weather = "fair";
  await rig.untilDrained(60_000);
  const twice = await expectAll(rig, witness);
  expect(twice).toBeGreaterThan(0);
  expect(twice).toBeLessThanOrEqual(20);
  const texts = new Map<string, string>();
  for (const { topic, payload } of witness.messages.filter(({ topic }) => topic.endsWith("/summary"))) {
    const { id } = JSON.parse(payload.toString("utf8")) as { id: string };
    expect(texts.get(id) ?? `${topic} ${payload}`, "the same bytes").toBe(`${topic} ${payload}`);
    texts.set(id, `${topic} ${payload}`);
  }
  faultRow({
    fault: "Broker: PUBACK lost",
    injected: "a proxy swallows what the broker says, with 20 messages under way",
    promised: "sent again after ackTimeout, byte for byte; twice at most what was under way (inFlight, 20)",
    measured: `all ${rig.ids.length} arrived, ${twice} twice, the same bytes`,
  });
});

it("a topic that the broker's ACL forbids, until it is mended", async () => {
  const lab = openLab();
  const folder = mkdtempSync(join(tmpdir(), "stoep-acl-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const acl = join(folder, "acl");
  const allowed = ["topic write rig/n1/status", "topic write rig/n1/good/#", "topic read #"];
  const broker = await lab.mosquitto({
    config: ["allow_anonymous true", `acl_file ${acl}`],
    files: { [acl]: `${[...allowed, "topic readwrite stoep-test/#"].join("\n")}\n` },
  });
  const rig = await rigAt(broker.url);
  const witness = await lab.subscriber(broker.url);
  await rig.untilUp();
  const sentMs = performance.now();
  await rig.add(...Array.from({ length: 200 }, (_, index) => ({ sensor: index % 10 === 0 ? "barred" : "good" })));
  await until(() => rig.publisher.report.problem === "NOT_AUTHORISED", "the operator is told", 5_000);
  const toldMs = performance.now() - sentMs;
  await until(() => idsIn(witness.messages).length === 180, "the others", 10_000);
  expect(rig.publisher.report.isUp).toBe(true);
  expect(rig.lost).toEqual([]);
  writeFileSync(acl, `${[...allowed, "topic write rig/n1/barred/#", "topic readwrite stoep-test/#"].join("\n")}\n`);
  broker.reload();
  await rig.untilDrained(90_000);
  expect(await expectAll(rig, witness)).toBe(0);
  const barred = idsIn(witness.messages).filter((id) => id.includes("/barred/"));
  expect(barred).toEqual(rig.ids.filter((id) => id.includes("/barred/")));
  faultRow({
    fault: "Broker: topic not allowed",
    injected: "the ACL of mosquitto forbids one of two sensors (PUBACK 0x87), and is mended with SIGHUP",
    promised: "visible within one publish; the other sensor goes on; what waited arrives within a minute of the mending, in order",
    measured: `told after ${toldMs.toFixed(0)} ms; 180 of the other arrived at once, ${barred.length} of 20 after the mending`,
  });
});

it("a message that is longer than the broker takes, which mosquitto refuses with an illegal PUBACK", async () => {
  const lab = openLab();
  const broker = await lab.mosquitto({ config: ["allow_anonymous true", "message_size_limit 2000"] });
  const rig = await rigAt(broker.url);
  const witness = await lab.subscriber(broker.url);
  await rig.untilUp();
  const poison = new Set([7, 8, 30]);
  await rig.add(...Array.from({ length: 60 }, (_, index) => ({ padBytes: poison.has(index) ? 5_000 : 10 })));
  const sentMs = performance.now();
  await rig.untilDrained(60_000);
  const took = performance.now() - sentMs;
  await witness.roundTrip();
  const fine = rig.ids.filter((_, index) => !poison.has(index));
  expect([...new Set(idsIn(witness.messages))].sort()).toEqual([...fine].sort());
  expect(rig.lost.map(({ fromSeq, toSeq, reason }) => [fromSeq, toSeq, reason])).toEqual([
    [8, 9, "packet-too-large"],
    [31, 31, "packet-too-large"],
  ]);
  expect(rig.events.of("PublishRefused").map(({ seq }) => seq)).toEqual([8, 9, 31]);
  faultRow({
    fault: "Broker: message too long for it",
    injected: "3 of 60 messages beyond message_size_limit of mosquitto 2.0: PUBACK 0x95, after which MQTT.js reads no more",
    promised: "these are set aside and reported as lost, with the reason; the others arrive",
    measured: [
      `57 arrived, ${doubled(idsIn(witness.messages))} twice, 3 set aside`,
      `over ${rig.connectedAtMs.length} connections in ${(took / 1_000).toFixed(1)} s`,
    ].join(", "),
  });
});

it("a broker that says quota exceeded for a while", async () => {
  const lab = openLab();
  const seen: number[] = [];
  const ids: string[] = [];
  const untilMs = performance.now() + 8_000;
  const broker = await lab.fakeBroker({
    onPublish: (to, { messageId = 0, payload, topic }) => {
      if (topic.endsWith("/status")) return to.puback(messageId);
      seen.push(performance.now());
      if (performance.now() < untilMs) return to.puback(messageId, 0x97);
      ids.push((JSON.parse(payload.toString()) as { id: string }).id);
      return to.puback(messageId);
    },
  });
  const rig = await rigAt(broker.url);
  await rig.untilUp();
  await rig.add(...rows(100));
  await rig.untilDrained(60_000);
  const during = seen.filter((atMs) => atMs < untilMs).length;
  expect(ids).toEqual(rig.ids);
  // Four or five pauses (1, 2, 4 s with jitter), each after what was in flight.
  expect(during).toBeLessThanOrEqual(20 * 6);
  expect(broker.connections).toHaveLength(1);
  faultRow({
    fault: "Broker: quota exceeded",
    injected: "a scripted broker answers PUBACK 0x97 for 8 s",
    promised: "all wait, with growing pauses, on the same connection; nothing lost, the order is kept",
    measured: `${during} publishes in these 8 s; then ${ids.length} of 100, in order`,
  });
});

it("a subscriber whose queue the broker cuts short: a PUBACK is not durability, and a replay brings it", async () => {
  const lab = openLab();
  const broker = await lab.mosquitto({ config: ["allow_anonymous true", "max_queued_messages 20", "max_inflight_messages 20"] });
  const rig = await rigAt(broker.url);
  const first = await lab.subscriber(broker.url, "rig/#", SESSION);
  await first.stop();
  await rig.untilUp();
  await rig.add(...rows(200));
  await rig.untilDrained();
  const second = await lab.subscriber(broker.url, "rig/#", SESSION);
  await second.roundTrip();
  const got = new Set(idsIn(second.messages)).size;
  expect(got).toBeLessThan(200);
  expect(rig.lost, "the broker took them all: the node has nothing to report").toEqual([]);
  faultRow({
    fault: "Broker: queue full",
    injected: "max_queued_messages 20 of mosquitto, a subscriber away during 200 messages",
    promised: "not seen by the node, since the broker acknowledges what it drops: seq shows the hole, 72 h can be sent again",
    measured: `200 acknowledged, ${got} handed on`,
  });
});

it("200 MB from the broker", async () => {
  const lab = openLab();
  const broker = await lab.fakeBroker();
  const rig = await rigAt(broker.url);
  const rssBefore = process.memoryUsage.rss();
  let rssMax = 0;
  for (let attack = 0; attack < 5; attack++) {
    await rig.untilUp(60_000);
    await rig.add(...rows(10));
    const connection = broker.connections.at(-1);
    const sent = connection?.hugePublish(200_000_000);
    await until(() => !rig.publisher.report.isUp, "cut", 5_000);
    await sent;
    rssMax = Math.max(rssMax, process.memoryUsage.rss());
  }
  await rig.untilDrained(60_000);
  const grown = (rssMax - rssBefore) / 1e6;
  expect(grown).toBeLessThan(30);
  faultRow({
    fault: "Broker: huge packet from it",
    injected: "5 times a PUBLISH of 200 MB from a scripted broker",
    promised: "the connection is cut at the header; nothing of it is kept",
    measured: `${grown.toFixed(0)} MB more memory in use at most; all ${rig.ids.length} messages arrived`,
  });
});
