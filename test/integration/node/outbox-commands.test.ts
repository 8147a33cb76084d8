import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it, vi } from "vitest";
import { openLab } from "../../support/lab.ts";
import { type NodeSite, stoep } from "../../support/node-process.ts";
import { summariesOf } from "../../support/summaries.ts";

const WINDOWS = 3;
const WAIT = { timeout: 10_000, interval: 100 };
const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } } };

const json = async (site: NodeSite, ...words: readonly string[]) => {
  const { code, stdout, stderr } = await stoep(["outbox", words[0] ?? "", site.file, ...words.slice(1), "--json"]);
  return { code, stderr, data: stdout === "" ? null : JSON.parse(stdout) };
};

describe("stoep outbox", () => {
  it("sends again what was acknowledged, through the node that runs and into the file of one that does not", {
    timeout: 120_000,
  }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors });
    const payloads = () => subscriber.messages.filter(({ topic }) => topic.endsWith("/summary")).map(({ payload }) => payload.toString());
    let node = await site.runUntilReady();
    await subscriber.waitFor(() => summariesOf(subscriber.messages).length >= WINDOWS, 60_000);
    // Written down as acknowledged.
    await vi.waitFor(async () => expect((await site.status()).status.outbox.firstUnacked).toBeNull(), WAIT);
    const first = payloads();
    expect(await json(site, "check")).toMatchObject({ code: 0, data: { isWhole: true, structure: "ok", lost: [] } });

    const again = await json(site, "replay", "--from", "2");
    expect(again).toMatchObject({ code: 0, data: { asked: 2, fromSeq: 2 } });
    await subscriber.waitFor(() => payloads().filter((text) => text === first[1]).length === 2, 20_000);
    expect(payloads().filter((text) => text === first[0])).toHaveLength(1);
    expect(await json(site, "replay", "--from", "999")).toMatchObject({ code: 65, data: { fromSeq: null } });
    expect(await json(site, "repair")).toMatchObject({ code: 69, stderr: expect.stringContaining("What to do: stop it first") });
    await vi.waitFor(async () => expect((await site.status()).status.outbox.firstUnacked).toBeNull(), WAIT);
    expect((await node.stop()).code).toBe(0);

    expect(await json(site, "replay", "--from", "1")).toMatchObject({ code: 0, data: { fromSeq: 1 } });
    const listed = await json(site, "list");
    expect(listed.data.filter(({ seq }: { seq: number | null }) => seq !== null && seq <= WINDOWS)).toMatchObject(
      Array.from({ length: WINDOWS }, (_, index) => ({ seq: index + 1, state: "waiting" })),
    );
    node = await site.runUntilReady();
    await subscriber.waitFor(() => payloads().filter((text) => text === first[0]).length === 2, 20_000);
    expect(new Set(payloads().filter((text) => JSON.parse(text).seq <= WINDOWS))).toEqual(new Set(first.slice(0, WINDOWS)));
    await node.stop();

    const exported = (await stoep(["outbox", "export", site.file, "--from", "2"])).stdout.trim().split("\n");
    const lines = exported.map((line) => JSON.parse(line) as { seq: number; payload: string; state: string });
    expect(lines[0]).toMatchObject({ seq: 2, payload: first[1], state: "sent" });
  });

  it("finds damage, exits with 65, and repairs it in a stopped node", { timeout: 60_000 }, async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
    expect(await json(site, "check")).toMatchObject({ code: 69, stderr: expect.stringContaining("a node that never ran has none yet") });
    const node = await site.runUntilReady();
    await vi.waitFor(async () => expect((await site.status()).status.outbox.lastSeq).toBeGreaterThan(1), { ...WAIT, timeout: 40_000 });
    await node.stop();
    const file = join(site.storage, "node.db");
    const db = new Database(file);
    db.exec("UPDATE outbox SET payload = CAST('{}' AS BLOB) WHERE seq = 1; UPDATE mark SET crc = crc + 1");
    db.close();
    expect(await json(site, "check")).toMatchObject({ code: 65, data: { isWhole: false, damaged: { marks: 1, facts: 0, ledger: 0 } } });
    expect((await stoep(["outbox", "check", site.file])).stdout).toContain("What to do: stop the node and type stoep outbox repair");
    expect((await stoep(["outbox", "export", site.file])).code).toBe(65);
    expect(await json(site, "repair")).toMatchObject({
      code: 0,
      data: { quarantined: null, takenOut: 1, lost: [{ fromSeq: 1, toSeq: 1, reason: "damaged" }] },
    });

    const waiting = (await json(site, "list")).data.filter(({ seq }: { seq: number | null }) => seq !== null).length;
    writeFileSync(file, readFileSync(file).fill(0, 60, 64));
    expect((await json(site, "check")).code).toBe(65);
    const { data } = await json(site, "repair");
    const salvaged = [{ damaged: 1, rows: waiting, left: 0 }];
    expect(data).toMatchObject({ quarantined: `${file}.corrupt-1`, salvaged, waiting, lost: [], lostEarlier: 1 });
    expect(await json(site, "check")).toMatchObject({ code: 0, data: { isWhole: true, waiting } });
  });

  it.each([[["purge"]], [["replay"]], [["replay", "--from", "0"]], [["check", "--from", "2"]], [[]]])(
    "%j is a mistake in typing: 64",
    async (words) => {
      expect((await stoep(["outbox", ...words])).code).toBe(64);
    },
  );
});
