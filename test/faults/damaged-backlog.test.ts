import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { epochMs } from "../../src/core/units/time.ts";
import { summaryLike } from "../bench/world/backlog.ts";
import { faultRow } from "../support/fault-table.ts";
import { openLab } from "../support/lab.ts";
import { PREFIX } from "../support/node-process.ts";
import type { Received } from "../support/subscriber.ts";
import { expectEveryWindow, expectWholeHistory } from "../support/summaries.ts";
import { fileOf, spoil } from "../support/wrecked-store.ts";

const ROWS = 100_000;
const WINDOW_MS = 10_000;
const FIRST_MS = 2_000;
/** At 115,200 baud a serial line fills the 4 KiB that the kernel keeps for it in 355 ms: nothing is lost before. */
const BLOCK_MS = 150;
const WHOLE_MS = 400_000;
/** The page of a store, in bytes. */
const PAGE = 2_048;

/**
 * Loaded before the node: writes the longest that its event loop was kept between two turns, from a second after the start on, to a file.
 * A turn that was long because others had the processor is as long as the CPU time in it.
 */
const probe = (file: string) =>
  `data:text/javascript,${encodeURIComponent(`
    import { writeFileSync } from "node:fs";
    const cpuMs = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
    let last = performance.now(), lastCpu = cpuMs(), most = 0;
    setInterval(() => {
      const now = performance.now(), cpu = cpuMs();
      if (now > 1_000) most = Math.max(most, Math.min(now - last, cpu - lastCpu));
      last = now;
      lastCpu = cpu;
    }, 5).unref();
    process.on("exit", () => writeFileSync(${JSON.stringify(file)}, String(most)));
  `)}`;

/** A backlog of weeks, one page of it garbage, and damage that is noticed at the next start. */
async function damagedBacklog(directory: string): Promise<void> {
  const outbox = await openOutbox({ directory, randomBytes });
  for (let seq = 0; seq < ROWS; ) {
    const rows = Array.from({ length: 1_000 }, () => ({ message: summaryLike(++seq), seq }));
    await outbox.commit({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(Date.now()) });
  }
  await outbox.close();
  spoil(directory, (bytes) => {
    const at = bytes.indexOf(summaryLike(ROWS / 2).payload);
    expect(at).toBeGreaterThan(0);
    bytes.fill(0xa5, at - (at % PAGE), at - (at % PAGE) + PAGE);
  });
}

interface Known {
  readonly instance: string;
  readonly seq: number;
}
const known = ({ payload }: Received): Known => JSON.parse(payload.toString("utf8"));

it(`the store of ${ROWS} waiting summaries is damaged: the node measures and sends at once, and sends them beside it`, async () => {
  const lab = openLab();
  const broker = await lab.mosquitto({ config: ["allow_anonymous true", "max_queued_messages 0"] });
  const salvaged = await lab.subscriber(broker.url, "bench/#");
  const own = await lab.subscriber(broker.url, "city/#");
  const channels = { pm25: { quantity: "pm25", max: 30, everyMs: 200 } };
  const sensor = { driver: "simulator", options: { seed: 1, channels }, streams: { pm25: {} } };
  const site = lab.site({ broker: { url: broker.url }, sensors: { air: sensor }, log: { level: "info" } });
  await damagedBacklog(site.storage);
  const longest = join(site.folder, "longest-block");

  const node = site.run({ NODE_OPTIONS: `--import ${probe(longest)}` });
  await salvaged.waitFor((messages) => messages.length > 0, 20_000);
  const firstAtMs = salvaged.messages[0]?.atMs ?? 0;
  const greetedAtMs = (await own.waitFor((messages) => messages.length > 0))[0]?.atMs ?? 0;
  const { rows, damaged, left } = await node.event("OutboxSalvaged", () => true, WHOLE_MS);
  const wholeMs = performance.now() - node.startedMs;
  const { status } = await site.statusWhen(({ status: { outbox } }) => outbox.pending === 0);
  expect(status).toMatchObject({ outbox: { lost: [], lostEarlier: damaged } });
  await node.stop();

  const seqs = new Set(salvaged.messages.map((message) => known(message).seq));
  expect([seqs.size, left]).toEqual([rows, 0]);
  expect(Number(rows) + Number(damaged)).toBe(ROWS);
  expect(Number(damaged)).toBeGreaterThan(0);
  expect(node.events("OutboxQuarantined")).toHaveLength(1);
  expect(fileOf(site.storage, 1)).toBe(node.events("OutboxQuarantined")[0]?.path);
  // Its own windows close in time meanwhile, none is missing, and none waits behind what is salvaged.
  const windows = expectWholeHistory(own.messages, PREFIX);
  expectEveryWindow(windows);
  expect(windows.length).toBeGreaterThan(wholeMs / WINDOW_MS - 2);
  const blockMs = Number(readFileSync(longest, "utf8"));
  expect(firstAtMs - greetedAtMs).toBeLessThan(FIRST_MS);
  expect(blockMs).toBeLessThan(BLOCK_MS);
  faultRow({
    fault: "Card: a damaged page, with a long backlog",
    injected: `a node.db in which ${ROWS} summaries wait; one page and its head are garbage`,
    promised: [
      `the first of them is at the broker ${FIRST_MS / 1_000} s after the connection`,
      "windows go on; all that can be read is sent; what cannot is counted",
    ].join("; "),
    measured: [
      `first ${((firstAtMs - node.startedMs) / 1_000).toFixed(1)} s after the start, all after ${(wholeMs / 1_000).toFixed(0)} s`,
      `${rows} arrived, ${damaged} counted as lost`,
      `longest block of the event loop ${blockMs.toFixed(0)} ms`,
    ].join("; "),
  });
});
