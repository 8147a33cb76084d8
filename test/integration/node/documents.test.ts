import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import type { LostStatus, MetaDocument, OnlineStatus } from "../../../src/formats/documents.ts";
import { openLab } from "../../support/lab.ts";
import { PREFIX, type SiteConfig } from "../../support/node-process.ts";
import type { Received } from "../../support/subscriber.ts";
import { type SummaryDocument, summariesOf, untilPhase } from "../../support/summaries.ts";

const WINDOW_MS = 10_000;
const STATUS = `${PREFIX}/n0042/status`;
const NODE_META = `${PREFIX}/n0042/meta`;
const SENSOR_META = `${PREFIX}/n0042/air/meta`;

const textOf = ({ payload }: Received): string => payload.toString("utf8");
const at = (messages: readonly Received[], topic: string): readonly Received[] => messages.filter((message) => message.topic === topic);
const parsed = <T>(message: Received | undefined): T => JSON.parse(message === undefined ? "null" : textOf(message)) as T;
const lastStatus = (messages: readonly Received[]): OnlineStatus | LostStatus | null => parsed(at(messages, STATUS).at(-1));

function configOf(url: string, instrument: string): SiteConfig {
  const options = { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } };
  const owner = { name: "Gemeente Voorbeeld", contact: "sensoren@voorbeeld.example" };
  return {
    node: { id: "n0042", name: "Vondelstraat", owner, purpose: "a test", timeZone: "Europe/Amsterdam" },
    broker: { url },
    sensors: { air: { driver: "simulator", options, instrument } },
  };
}

/** A subscriber can find out by itself that it holds the meta that a summary names. */
function expectRevOf(message: Received | undefined): string {
  const meta = parsed<MetaDocument>(message);
  const unstamped = JSON.stringify({ ...meta, rev: "" });
  expect(meta.rev).toBe(createHash("sha256").update(unstamped).digest("hex").slice(0, 8));
  return meta.rev;
}

/** Whether the meta with this rev came before every summary that names it, and how many those are. */
function summariesAfterMeta(messages: readonly Received[], rev: string): number {
  const metaAt = messages.findIndex((message) => message.topic === SENSOR_META && parsed<MetaDocument>(message).rev === rev);
  const summariesAt = messages.flatMap((message, index) =>
    message.topic.endsWith("/summary") && parsed<SummaryDocument>(message).rev === rev ? [index] : [],
  );
  expect(metaAt).toBeGreaterThanOrEqual(0);
  for (const index of summariesAt) expect(index).toBeGreaterThan(metaAt);
  return summariesAt.length;
}

it("explains itself by retained metas, and says by a retained status whether it is online, lost or offline", {
  timeout: 60_000,
}, async () => {
  const lab = openLab();
  const broker = await lab.mosquitto();
  const subscriber = await lab.subscriber(broker.url);
  const site = lab.site(configOf(broker.url, "first instrument"));
  await untilPhase(WINDOW_MS, WINDOW_MS - 2_500);
  const first = await site.runUntilReady();
  await subscriber.waitFor((all) => summariesOf(all).length > 0, 2 * WINDOW_MS);

  const nodeMeta = at(subscriber.messages, NODE_META);
  expect(nodeMeta).toHaveLength(1);
  expect(parsed(nodeMeta[0])).toMatchObject({ v: 1, about: "node", node: "n0042", name: "Vondelstraat", timeZone: "Europe/Amsterdam" });
  const nodeRev = expectRevOf(nodeMeta[0]);
  const sensorMeta = at(subscriber.messages, SENSOR_META);
  const topic = `${PREFIX}/n0042/air/pm25/summary`;
  expect(parsed(sensorMeta[0])).toMatchObject({
    about: "sensor",
    driver: "simulator",
    instrument: "first instrument",
    simulated: true,
    streams: { pm25: { topic, kind: "gauge", quantity: "pm25", unit: "ug/m3", windowSeconds: 10, privacy: { policy: "open" } } },
  });
  expect(summariesAfterMeta(subscriber.messages, expectRevOf(sensorMeta[0]))).toBeGreaterThan(0);

  const online = lastStatus(subscriber.messages);
  expect(online).toMatchObject({ v: 1, node: "n0042", state: "online", every: 300, health: "ok", problems: [], conn: 1, rev: nodeRev });
  expect(online).toMatchObject({ version: expect.any(String), time: { state: "operator" }, sensors: { air: "ok" } });
  expect(online?.instance).toBe(summariesOf(subscriber.messages)[0]?.instance);
  const leftOver = [...subscriber.messages].filter(({ retain }) => !retain);
  expect(
    leftOver.every((message) => message.topic.endsWith("/summary")),
    "only summaries are not retained",
  ).toBe(true);
  expect(subscriber.messages.filter((message) => message.topic.endsWith("/summary")).every(({ retain }) => !retain)).toBe(true);
  expect(at(subscriber.messages, STATUS)[0]?.properties).toMatchObject({ contentType: "application/json", messageExpiryInterval: 900 });

  await first.kill9();
  await subscriber.waitFor((all) => lastStatus(all)?.state === "lost");
  const { instance, boot } = online as OnlineStatus;
  expect(lastStatus(subscriber.messages)).toEqual({ v: 1, state: "lost", node: "n0042", instance, boot, conn: 1 });

  site.write(configOf(broker.url, "second instrument"));
  const second = await site.runUntilReady();
  await subscriber.waitFor((all) => lastStatus(all)?.state === "online");
  expect(lastStatus(subscriber.messages)).toMatchObject({ instance, boot });
  const isNew = ({ rev }: SummaryDocument): boolean => rev !== parsed<MetaDocument>(sensorMeta[0]).rev;
  await subscriber.waitFor((all) => summariesOf(all).some(isNew), 2 * WINDOW_MS);
  expect(at(subscriber.messages, NODE_META), "what did not change is not said again").toHaveLength(1);
  const changed = at(subscriber.messages, SENSOR_META);
  expect(changed).toHaveLength(2);
  expect(parsed(changed[1])).toMatchObject({ instrument: "second instrument" });
  expect(summariesAfterMeta(subscriber.messages, expectRevOf(changed[1]))).toBeGreaterThan(0);

  expect((await second.stop()).code).toBe(0);
  const later = await lab.subscriber(broker.url);
  const kept = await later.waitFor((all) => all.length === 3);
  expect(kept.map((message) => message.topic).sort()).toEqual([NODE_META, SENSOR_META, STATUS].sort());
  expect(lastStatus(kept)).toMatchObject({ state: "offline", instance });
  expect(parsed(at(kept, SENSOR_META)[0])).toMatchObject({ instrument: "second instrument" });
});
