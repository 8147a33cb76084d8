import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { openLiveStore } from "../../../src/adapters/sqlite/live-store.ts";
import { openOutbox } from "../../../src/adapters/sqlite/outbox.ts";
import { createSystemCrypto } from "../../../src/adapters/system-crypto.ts";
import { BytePool } from "../../../src/core/anonymise/noise/byte-pool.ts";
import { meaningOf } from "../../../src/core/reading/meaning.ts";
import type { StreamPlan } from "../../../src/core/reading/stream.ts";
import { epsilonMicro } from "../../../src/core/units/epsilon.ts";
import { nodeId } from "../../../src/core/units/ids.ts";
import { DAY_MS, type EpochMs, epochMs, MINUTE_MS } from "../../../src/core/units/time.ts";
import { STRAIGHT } from "../../../src/core/window/course.ts";
import { windowAt } from "../../../src/core/window/lattice.ts";
import { NativeFormat } from "../../../src/formats/native.ts";
import type { Closing } from "../../../src/runtime/close-schedule.ts";
import { PrivacyDesk } from "../../../src/runtime/privacy-desk.ts";
import { Releases } from "../../../src/runtime/releases.ts";
import { PASSAGES, streamPlan } from "../../support/plans.ts";
import { answer, inputOf } from "../child.ts";

export interface NoisedYearInput {
  readonly streams: number;
  readonly days: number;
  /** The node is away for a window so often: each such gap begins new rows in the ledger. */
  readonly windowsBetweenGaps: number;
}

const WINDOW_MS = 15 * MINUTE_MS;
const WINDOWS_A_DAY = DAY_MS / WINDOW_MS;
const START = Date.UTC(2026, 0, 1);
const REPLAY_MS = 3 * DAY_MS;
const MICRO = 1_000_000;

const { streams, days, windowsBetweenGaps } = inputOf<NoisedYearInput>();
const directory = mkdtempSync(join(tmpdir(), "stoep-bench-"));
const outbox = await openOutbox({ directory, randomBytes });
const live = openLiveStore({ path: null, instance: outbox.instance, bootId: "bench", bytesMax: 64e6 });
const policy = { is: "noised", epsilonMicro: epsilonMicro(MICRO / streams), accountMicro: epsilonMicro(MICRO), bound: null } as const;
const plans = Array.from({ length: streams }, (_, index): StreamPlan => streamPlan(PASSAGES, { sensor: `gate-${index + 1}`, policy }));
const events = { emit: () => {} };
const privacy = new PrivacyDesk({ outbox, events }, plans, epsilonMicro(MICRO));
await privacy.settle(epochMs(START), epochMs(START));
const releases = new Releases({ live, events, privacy, pool: new BytePool(createSystemCrypto()) });
const format = new NativeFormat("bench", nodeId("bench"));
const closings = plans.map((plan) => {
  const mark = { closedTo: epochMs(START), lastStart: null as EpochMs | null };
  // The lane is how a closing is found, which is not what is measured here.
  return {
    plan,
    index: live.streamIndex(plan.id, meaningOf(plan)),
    members: [],
    lane: null as unknown as Closing["lane"],
    mark,
    course: STRAIGHT,
    isPlaced: true,
  };
});

let seq = 0;
let numbers = 0;

/** From exact statistics to rows on the card: noise, ledger, marks, one transaction. */
async function close(start: EpochMs): Promise<void> {
  const window = windowAt(start, plans[0]?.windowMs as StreamPlan["windowMs"]);
  const statistic = { kind: "passage", counts: [37, 12] } as const;
  const group = closings.map((closing) => ({
    closing,
    closed: { stream: closing.plan, window, coverage: 1, statistic, flags: [], time: "synced" as const },
  }));
  const made = releases.of(group);
  const rows = made.flatMap(({ closing, summary }) => {
    if (summary === null) return [];
    if (summary.body.is === "cells") numbers += summary.body.cells.length;
    const envelope = {
      node: nodeId("bench"),
      instance: outbox.instance,
      seq: ++seq,
      prev: closing.mark.lastStart,
      rev: "00000000",
      made: window.end,
    };
    return [{ message: format.summary(summary, envelope), seq }];
  });
  const marks = new Map(made.map(({ closing, mark }) => [closing.plan.id, mark]));
  const charges = made.flatMap(({ span }) => (span === null ? [] : [span]));
  await outbox.commit({ rows, marks, facts: new Map(), charges, madeAt: window.end });
  releases.written(made);
  for (const { closing, mark } of made) closing.mark = mark;
}

async function clearAway(now: number): Promise<void> {
  const rows = await outbox.read(0, 10_000);
  const sent = rows.map(({ position, seq }) => ({ position, seq, bytes: 0, at: epochMs(now), address: "bench:1883" }));
  await outbox.acknowledge({ sent, refused: [] });
  const limits = { bytesMax: 1e9, pendingBefore: null, egressBytesMax: 64e6, egressBefore: epochMs(now - 400 * DAY_MS) };
  while ((await outbox.trim({ ...limits, acknowledgedBefore: epochMs(now - REPLAY_MS) })).more);
}

const closeMs: number[] = [];
for (let index = 0; index < days * WINDOWS_A_DAY; index++) {
  const start = epochMs(START + index * WINDOW_MS);
  if (index % WINDOWS_A_DAY === 0) await clearAway(start);
  if (index % windowsBetweenGaps === windowsBetweenGaps - 1) continue;
  const beganMs = performance.now();
  await close(start);
  closeMs.push(performance.now() - beganMs);
  live.purge("presence", plans[0]?.windowMs as StreamPlan["windowMs"], epochMs(start + 1));
}
const { spans } = await outbox.ledger();
await outbox.close();
const db = new Database(join(directory, "node.db"), { readonly: true });
const ledgerBytes = db.prepare("SELECT sum(pgsize) FROM dbstat WHERE name = 'ledger'").pluck().get() as number;
db.close();
const fileBytes = statSync(join(directory, "node.db")).size;
rmSync(directory, { recursive: true });
answer({ closeMs, spans: spans.length, ledgerBytes, fileBytes, numbers });
