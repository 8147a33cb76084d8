import { setTimeout as wait } from "node:timers/promises";
import { expect, it } from "vitest";
import { openLab } from "../support/lab.ts";
import { type SummaryDocument, untilPhase } from "../support/summaries.ts";
import { until } from "../support/until.ts";

const WINDOW_MS = 10_000;

it("P3: a summary is published byte for byte as it was made, over kill -9, until the broker has it, and then no more", {
  timeout: 60_000,
}, async () => {
  const lab = openLab();
  let acknowledges = false;
  const broker = await lab.fakeBroker({
    onPublish: (connection, { messageId }) => {
      if (acknowledges) connection.puback(messageId ?? 0);
    },
  });
  const channels = { pm25: { quantity: "pm25", max: 30, everyMs: 100 }, pm10: { quantity: "pm10", max: 60, everyMs: 100 } };
  const streams = { pm25: {}, pm10: {} };
  const site = lab.site({ broker: { url: broker.url }, sensors: { air: { driver: "simulator", options: { channels }, streams } } });
  /** Every PUBLISH of a summary so far, as text. */
  const published = (): readonly string[] =>
    broker.publishes.filter(({ topic }) => topic.endsWith("/summary")).map(({ payload }) => payload.toString());

  const timesOf = (text: string): number => published().filter((other) => other === text).length;

  await untilPhase(WINDOW_MS, WINDOW_MS - 2_500);
  const first = await site.runUntilReady();
  await first.event("SummaryMade");
  await until(() => published().length >= 2, "the first attempt");
  const made = published().slice(0, 2);
  await first.kill9();

  const second = await site.runUntilReady();
  await until(() => made.every((text) => timesOf(text) === 2), "the second attempt, byte for byte the same");
  expect((await site.status()).outbox.rows, "metas and summaries wait").toBeGreaterThanOrEqual(4);
  await second.kill9();

  acknowledges = true;
  const third = await site.runUntilReady();
  await site.statusWhen(({ outbox }) => outbox.rows === 0);
  expect(made.map(timesOf)).toEqual([3, 3]);
  expect((await third.stop()).code).toBe(0);
  const fourth = await site.runUntilReady();
  await fourth.event("BrokerConnected");
  await wait(1_000);
  expect(made.map(timesOf), "what the broker has is not sent again").toEqual([3, 3]);
  const ids = published().map((text) => (JSON.parse(text) as SummaryDocument).id);
  expect(new Set(ids).size, "one text for each id").toBe(new Set(published()).size);
});
