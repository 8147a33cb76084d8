import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, it } from "vitest";
import { openLab } from "../../support/lab.ts";
import { PREFIX } from "../../support/node-process.ts";
import { CAPTURE_HEAD, captureOf, OPS243_PRODUCT } from "../../support/ops243.ts";
import { expectWholeHistory, type SummaryDocument, summariesOf, untilPhase } from "../../support/summaries.ts";

const WINDOW_MS = 10_000;
const STREAM = "gate.passages";
/** 30 road users within 7 s: 23 towards the radar, 7 away from it. */
const STREET = Array.from({ length: 30 }, (_, index) => captureOf([32.4], index % 4 === 3 ? "outbound" : "inbound")).join("");
/** And then nobody, for 40 s: the radar answers only. */
const CAPTURE = `${CAPTURE_HEAD}${STREET.replaceAll("+100ms", "+230ms")}+40000ms < ${JSON.stringify(OPS243_PRODUCT)}\n`;
/** Noise of scale 1 reaches so far once in 500 million draws. */
const NOISE_MAX = 20;

const gate = (epsilon: number) => ({
  driver: "ops243",
  options: { holdOffMs: 100 },
  replay: { file: "street" },
  streams: { passages: { policy: "noised", epsilon } },
});

const numbers = (all: readonly SummaryDocument[]): readonly SummaryDocument[] => all.filter(({ cells }) => cells !== undefined);

describe("a noised stream, from bytes to a real broker", () => {
  it("says how many passed, give or take its noise, and in empty windows too", { timeout: 90_000 }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors: { gate: gate(1) } });
    const pipe = site.pipe("street");
    const node = await site.runUntilReady();
    // The window in which the node began is not released: people may have been counted in it by another store.
    await untilPhase(WINDOW_MS, WINDOW_MS - 100);
    await untilPhase(WINDOW_MS, 500);
    await writeFile(pipe, CAPTURE);
    await subscriber.waitFor((all) => numbers(summariesOf(all, STREAM)).length >= 3, 5 * WINDOW_MS);
    expect((await node.stop()).code).toBe(0);

    expectWholeHistory(subscriber.messages, PREFIX);
    const released = numbers(summariesOf(subscriber.messages, STREAM));
    const sums = { towards: 0, away: 0 };
    for (const { cells = [], total, privacy } of released) {
      expect(cells.map(({ direction }) => direction)).toEqual(["towards", "away"]);
      const [towards, away] = cells.map(({ count }) => count ?? Number.NaN) as [number, number];
      expect(total).toEqual({ count: towards + away, ci95: 4 });
      expect(privacy).toEqual({
        ...{ policy: "noised", mechanism: "discrete-laplace", epsilon: 1, epsilonTotal: 1 },
        ...{ scale: 1, ci95: 3, per: "detection" },
      });
      sums.towards += towards;
      sums.away += away;
    }
    expect(Math.abs(sums.towards - 23)).toBeLessThan(NOISE_MAX);
    expect(Math.abs(sums.away - 7)).toBeLessThan(NOISE_MAX);
  });

  it("pauses with a reason when its epsilon is changed, and leaves a record of it", { timeout: 90_000 }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors: { gate: gate(1) } });
    await writeFile(join(site.folder, "street"), CAPTURE);
    const first = await site.runUntilReady();
    await subscriber.waitFor((all) => numbers(summariesOf(all, STREAM)).length >= 1, 4 * WINDOW_MS);
    expect((await first.stop()).code).toBe(0);

    site.write({ broker: { url: broker.url }, sensors: { gate: gate(0.5) } });
    const second = await site.runUntilReady();
    await second.event("TermsWait");
    await subscriber.waitFor((all) => summariesOf(all, STREAM).some(({ reason }) => reason === "budget"), 4 * WINDOW_MS);
    const { problems } = await site.statusWhen(({ status }) => status.problems.length > 0).then(({ status }) => status);
    expect(problems.map(({ code }) => code)).toContain("PRIVACY_CHANGE_WAITS");
    expect((await second.stop()).code).toBe(0);

    const db = new Database(join(site.storage, "node.db"), { readonly: true });
    const changes = db.prepare<[], { text: string }>("SELECT text FROM change ORDER BY id").all();
    db.close();
    expect(changes.map(({ text }) => /"epsilonMicro\\?":(\d+)/.exec(text)?.[1])).toEqual(["1000000", "500000"]);
    expectWholeHistory(subscriber.messages, PREFIX);
  });
});
