import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openLab } from "../../support/lab.ts";

const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } } };

it("a node whose node.db was put back says so, has a new name, deletes its readings unread; the next start is ordinary", async () => {
  const site = openLab().site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
  const nodeDb = join(site.storage, "node.db");
  const first = await site.runUntilReady();
  await first.stop();
  copyFileSync(nodeDb, join(site.folder, "copy.db"));
  await (await site.runUntilReady()).stop();
  copyFileSync(join(site.folder, "copy.db"), nodeDb);

  const renewed = await site.runUntilReady();
  expect(renewed.events("InstanceRenewed")).toMatchObject([{ because: "put-back" }]);
  expect(renewed.events("LiveStoreDiscarded")).toMatchObject([{ because: "other-instance" }]);
  const [was, is] = [first, renewed].map((node) => node.events("NodeStarting")[0]?.instance);
  expect(is).not.toBe(was);
  const { status } = await site.status();
  expect(status.instance).toBe(is);
  expect(status.problems.map(({ code }) => code)).toContain("INSTANCE_RENEWED");
  await renewed.stop();

  const next = await site.runUntilReady();
  expect(next.events("InstanceRenewed")).toEqual([]);
  expect(next.events("NodeStarting")[0]?.instance).toBe(is);
  expect((await site.status()).status.problems.map(({ code }) => code)).not.toContain("INSTANCE_RENEWED");
});
