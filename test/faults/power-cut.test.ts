import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { compileForNode } from "../integration/support/compile.ts";
import { Disk, LOSS_MODELS, type LossModel, randomOf, recordingOf } from "../support/crash-explorer.ts";
import { faultRow } from "../support/fault-table.ts";
import { announcedSeed } from "../support/seed.ts";
import { noStrace, traced } from "../support/syscalls.ts";

const COMMITS = 150;
const CUTS = 165;
const root = mkdtempSync(join(tmpdir(), "stoep-power-"));
const compiled: { folder: string; file: string }[] = [];
const reason = noStrace();

beforeAll(() => void compiled.push(compileForNode(join(import.meta.dirname, "../integration/children/outbox-survivor.ts"))));
afterAll(() => {
  for (const folder of [root, ...compiled.map((child) => child.folder)]) rmSync(folder, { recursive: true, force: true });
});

const SYSCALLS = ["-y", "-xx", "-s", "70000", "-e", "trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink"];

/** What the outbox did to the card while it committed. */
function recorded(synchronous: "FULL" | "NORMAL") {
  const directory = join(root, `recorded-${synchronous}`);
  const child = compiled[0]?.file ?? "";
  const { code, trace } = traced(SYSCALLS, join(root, `${synchronous}.log`), [child, directory, String(COMMITS), synchronous, "40"]);
  expect(code).toBe(0);
  const operations = recordingOf(trace, directory);
  expect(operations.filter(({ is }) => is === "said")).toHaveLength(COMMITS);
  expect(operations.filter(({ is }) => is === "sync").length).toBeGreaterThan(synchronous === "FULL" ? COMMITS : 5);
  return operations;
}

interface Verdict {
  readonly states: number;
  readonly damaged: number;
  readonly statesWithLoss: number;
  readonly worst: number;
}

/** Cuts the power at many places of a recording, opens what is left with the real outbox, and counts acknowledged rows that are gone. */
async function explore(operations: ReturnType<typeof recorded>, model: LossModel, random: () => number): Promise<Verdict> {
  const places = new Set(Array.from({ length: CUTS }, () => Math.floor(random() * operations.length)));
  const disk = new Disk();
  let acked = 0;
  const verdict = { states: 0, damaged: 0, statesWithLoss: 0, worst: 0 };
  for (const [index, operation] of operations.entries()) {
    disk.perform(operation);
    if (operation.is === "said") acked = Number(operation.text.split(" ")[1]);
    if (!places.has(index)) continue;
    const directory = join(root, "cut");
    disk.cut(model, random, directory);
    const outbox = await openOutbox({ directory, randomBytes });
    const { lastSeq, acknowledgedPosition, lost } = outbox.standing();
    const rows = await outbox.read(0, 10_000);
    for (const { seq, message } of rows) expect(Buffer.from(message.payload).toString()).toBe(`payload of ${seq} `.repeat(20));
    expect(rows.map(({ seq }) => seq)).toEqual(
      Array.from({ length: lastSeq - acknowledgedPosition }, (_, at) => acknowledgedPosition + 1 + at),
    );
    if (lastSeq > 0) expect([...(await outbox.marks()).values()]).toEqual([{ closedTo: lastSeq, lastStart: null }]);
    expect([outbox.repaired, lost]).toEqual([0, []]);
    if (outbox.quarantined !== null) verdict.damaged++;
    verdict.states++;
    if (lastSeq < acked) verdict.statesWithLoss++;
    verdict.worst = Math.max(verdict.worst, acked - lastSeq);
    await outbox.close();
    rmSync(directory, { recursive: true });
  }
  return verdict;
}

it("a power cut at any moment loses no row that the outbox called written, on a card that keeps its word", async (context) => {
  context.skip(reason !== "", reason);
  const operations = recorded("FULL");
  const random = randomOf(announcedSeed("power cut, FULL"));
  let states = 0;
  for (const model of LOSS_MODELS) {
    const verdict = await explore(operations, model, random);
    expect(verdict, model).toMatchObject({ damaged: 0, statesWithLoss: 0, worst: 0 });
    states += verdict.states;
  }
  faultRow({
    fault: "Card: power cut while committing",
    injected: `the system calls of ${COMMITS} commits replayed to ${states} places, with four kinds of loss of what was not synced`,
    promised: "node.db opens without repair, and no committed summary is lost",
    measured: `${states} of ${states} opened, 0 summaries lost`,
  });
});

it("and this finds an outbox that does not wait for the card", async (context) => {
  context.skip(reason !== "", reason);
  const operations = recorded("NORMAL");
  const random = randomOf(announcedSeed("power cut, NORMAL"));
  expect(await explore(operations, "all of it", random), "a kill alone").toMatchObject({ damaged: 0, statesWithLoss: 0 });
  const { statesWithLoss, states } = await explore(operations, "nothing of it", random);
  expect(statesWithLoss).toBeGreaterThan(states / 4);
});
