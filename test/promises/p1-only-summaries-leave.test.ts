import { writeFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { type Lab, openLab } from "../support/lab.ts";
import { stoep } from "../support/node-process.ts";
import { CAPTURE_HEAD, captureOf, OPS243_PRODUCT, OPS243_UNITS, ops243Line } from "../support/ops243.ts";
import { summariesOf, untilPhase } from "../support/summaries.ts";

const WINDOW_MS = 10_000;
/** Each change of direction ends a passage, so this is also the number of passages. */
const PASSAGES = 4_273;
/** A speed that stands nowhere by chance. */
const CANARY_KMH = 87.63;
const CANARIES = ["87.6", "4273", "2137", "2136"];

/** Everything that a node let go of, as it was: what the broker got, what stands in the log, what `stoep status` says. */
interface Left {
  readonly published: readonly string[];
  readonly log: string;
  readonly status: string;
}

/** Runs a node with a radar that sees so many road users; gives what left of it. */
async function runWithPassages(lab: Lab, passages: number): Promise<Left> {
  const [broker, pty] = await Promise.all([lab.fakeBroker(), lab.pty()]);
  const streams = { speed: { policy: "minimum-count", window: "5m" } };
  const site = lab.site({ broker: { url: broker.url }, sensors: { gate: { driver: "ops243", serial: { path: pty.path }, streams } } });
  const node = await site.runUntilReady();
  await node.event("SensorOpened");
  await pty.feed(OPS243_UNITS + OPS243_PRODUCT);
  let fed = "";
  for (let index = 0; index < passages; index++) fed += ops243Line(CANARY_KMH, index % 2 === 0 ? "inbound" : "outbound");
  await pty.feed(fed);
  await wait(2_500); // hold-off, flush, a status
  const [words, json] = await Promise.all([stoep(["status", site.file]), stoep(["status", site.file, "--json"])]);
  expect((await node.stop()).code).toBe(0);
  const published = broker.publishes.map(({ topic, payload }) => `${topic} ${payload.toString()}`);
  return { published, log: node.stdout + node.stderr, status: words.stdout + json.stdout };
}

/** Without what differs between any two runs: names made at random, paths, times, memory of the process. */
function comparable(text: string): string {
  return text
    .replace(/"instance":\s*"[0-9a-f]{8}"|instance [0-9a-f]{8}/g, "INSTANCE")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/127\.0\.0\.1:\d+/g, "BROKER")
    .replace(/"active":\s*"[0-9a-f]{8}"/g, "FILE")
    .replace(/"(residentBytes|uptimeSeconds)":\s*\d+/g, "$1")
    .replace(/up \d+ min \d+ s/g, "UPTIME")
    .replace(/[\d.]+ MB resident/g, "MEMORY");
}

/** The broker and a port may be open in either order. */
const linesOf = (log: string): readonly string[] => comparable(log).split("\n").sort();

describe("P1: only summaries leave", () => {
  it("P1: everything that leaves is the same with no road user and with thousands, until a window is closed", {
    timeout: 60_000,
  }, async () => {
    const lab = openLab();
    const [none, many] = await Promise.all([runWithPassages(lab, 0), runWithPassages(lab, PASSAGES)]);
    expect(none.published.length, "metas and statuses did leave").toBeGreaterThanOrEqual(3);
    expect(many.published.map(comparable)).toEqual(none.published.map(comparable));
    expect(linesOf(many.log)).toEqual(linesOf(none.log));
    expect(comparable(many.status)).toBe(comparable(none.status));
  });

  it("P1: no speed and no exact count occurs in any byte that leaves", { timeout: 60_000 }, async () => {
    const { published, log, status } = await runWithPassages(openLab(), PASSAGES);
    for (const canary of CANARIES) {
      const digits = new RegExp(`(?<![\\d.])${canary.replace(".", "\\.")}`);
      for (const text of [...published, log, status]) expect(comparable(text), `canary ${canary}`).not.toMatch(digits);
    }
  });

  it("P1: of a window with few road users the small cells stay, and nothing but the large ones leaves", { timeout: 60_000 }, async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const subscriber = await lab.subscriber(broker.url);
    const radar = () => ({ driver: "ops243", options: { holdOffMs: 100 } });
    const site = lab.site({
      broker: { url: broker.url },
      sensors: {
        gate: { ...radar(), replay: { file: "street" }, streams: { passages: { policy: "minimum-count", k: 10 } } },
        speeds: { ...radar(), replay: { file: "street-too" }, streams: { speed: { policy: "minimum-count", k: 10 } } },
      },
    });
    // 7 away among 23 towards, all within 8 s; the hold-off of 100 ms ends each before the next.
    const street = Array.from({ length: 30 }, (_, index) =>
      captureOf([index % 4 === 3 ? CANARY_KMH : 32.4], index % 4 === 3 ? "outbound" : "inbound"),
    );
    const pipes = [site.pipe("street"), site.pipe("street-too")];
    const node = await site.runUntilReady();
    // The window in which the node began is not released: people may have been counted in it by another store.
    await untilPhase(WINDOW_MS, WINDOW_MS - 100);
    await untilPhase(WINDOW_MS, 500);
    const capture = CAPTURE_HEAD + street.join("").replaceAll("+100ms", "+240ms");
    await Promise.all(pipes.map((pipe) => writeFile(pipe, capture)));
    await subscriber.waitFor((all) => summariesOf(all, "speeds.speed").some(({ histogram }) => histogram !== undefined), 2 * WINDOW_MS);
    expect((await node.stop()).code).toBe(0);

    // Windows from before the street was filled say that they are withheld.
    const passages = summariesOf(subscriber.messages, "gate.passages").find(({ cells }) => cells !== undefined);
    expect(passages?.cells).toEqual([
      { direction: "towards", count: 23 },
      { direction: "away", count: null },
    ]);
    expect(passages?.privacy).toEqual({ policy: "minimum-count", k: 10 });
    expect(passages?.flags).toContain("simulated");
    expect(Object.keys(passages ?? {}), "no total, from which the rest could be found").not.toContain("total");
    const speed = summariesOf(subscriber.messages, "speeds.speed").find(({ histogram }) => histogram !== undefined);
    expect(speed?.histogram?.counts.filter((count) => count !== null)).toEqual([23]);
    expect(speed?.histogram?.v85, "a quantile of people").toBeNull();
    for (const { payload } of subscriber.messages) expect(payload.toString("utf8")).not.toContain(String(CANARY_KMH));
    expect(node.stdout).not.toContain(String(CANARY_KMH));
  });
});
