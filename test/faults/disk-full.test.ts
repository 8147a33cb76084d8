import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { openLiveStore } from "../../src/adapters/sqlite/live-store.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { ChunkWriter } from "../../src/core/reading/record.ts";
import { durationMs, epochMs, monotonicMs } from "../../src/core/units/time.ts";
import { acked, batchOf, message, STREAM } from "../contract/outbox-contract.ts";
import { faultRow } from "../support/fault-table.ts";
import { openLab } from "../support/lab.ts";
import { stoep } from "../support/node-process.ts";

const MB = 1024 * 1024;

/** A disk of its own; null when this process may not mount one. */
function smallDisk(bytes: number): string | null {
  const folder = mkdtempSync(join(tmpdir(), "stoep-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", folder], { stdio: "ignore" });
  } catch {
    rmSync(folder, { recursive: true });
    return null;
  }
  onTestFinished(() => {
    execFileSync("umount", ["-l", folder]);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

const NO_MOUNT = "only root may mount a small disk";
const free = (folder: string): number => statfsSync(folder).bavail * statfsSync(folder).bsize;

/** Somebody else fills the disk, to the last byte that is left to him. */
function fill(folder: string, leave: number): void {
  for (let index = 0; free(folder) > leave; index++) {
    writeFileSync(join(folder, `somebody-elses-${index}`), Buffer.alloc(Math.min(4 * MB, Math.max(4_096, free(folder) - leave))));
  }
}

function tidy(folder: string): void {
  for (let index = 0; existsSync(join(folder, `somebody-elses-${index}`)); index++) rmSync(join(folder, `somebody-elses-${index}`));
}

const summary = (seq: number) => ({ message: message(`summary ${seq}`, 700), seq });

it("a disk that fills up under the outbox: it goes on with what it has, sheds in order, and takes its room back", async (context) => {
  const disk = smallDisk(64 * MB);
  context.skip(disk === null, NO_MOUNT);
  const directory = join(disk ?? "", "store");
  const outbox = await openOutbox({ directory, randomBytes });
  await outbox.keepBallast();
  let seq = 0;
  const commit = async (count: number) => {
    for (let made = 0; made < count; made += 20) {
      await outbox.commit(
        batchOf(
          Array.from({ length: 20 }, () => summary(++seq)),
          seq,
        ),
      );
    }
  };
  await commit(4_000);
  await outbox.acknowledge(acked(outbox, 1_000, 1));
  fill(disk ?? "", 0);
  let firstLossAt = 0;
  let worstMs = 0;
  for (let round = 0; round < 300; round++) {
    const startMs = performance.now();
    await commit(20);
    worstMs = Math.max(worstMs, performance.now() - startMs);
    if (round % 10 === 0) fill(disk ?? "", 0); // what the ballast gave goes to somebody else as well
    if (firstLossAt === 0 && outbox.standing().lost.length > 0) firstLossAt = seq;
  }
  expect(outbox.standing().isShort).toBe(true);
  expect(existsSync(join(directory, "node.ballast"))).toBe(false);
  // A thousand acknowledged ones went before any that waited.
  expect(firstLossAt - 4_000).toBeGreaterThan(900);
  const { lost, pendingRows, firstUnackedSeq } = outbox.standing();
  expect(lost).toEqual([{ fromSeq: 1_001, toSeq: (firstUnackedSeq ?? 0) - 1, reason: "disk-full" }]);
  expect(pendingRows).toBeGreaterThan(2_500);
  const readBack = await outbox.read(0, 100_000);
  expect(readBack.map((row) => row.seq)).toEqual(Array.from({ length: pendingRows }, (_, at) => seq - pendingRows + 1 + at));
  const shed = (lost[0]?.toSeq ?? 0) - 1_000;

  tidy(disk ?? "");
  await commit(20);
  expect(outbox.standing().isShort).toBe(false);
  await outbox.keepBallast();
  expect(existsSync(join(directory, "node.ballast"))).toBe(true);
  await commit(2_000);
  expect(outbox.standing().lost).toEqual(lost);
  await outbox.close();
  const again = await openOutbox({ directory, randomBytes });
  expect(again.standing()).toMatchObject({ lastSeq: seq, lost });
  expect([again.quarantined, again.repaired]).toEqual([null, 0]);
  await again.close();
  faultRow({
    fault: "Card: full under a running node",
    injected: "tmpfs of 64 MB, filled to the last byte by somebody else, also with the room of the ballast; 6,000 summaries meanwhile",
    promised: "the outbox goes on: what was acknowledged goes first, then what waited longest, counted; all is well when there is room",
    measured: [
      `the first ${firstLossAt - 4_000} cost acknowledged ones only, then ${shed} of the oldest, in one range`,
      `worst commit ${worstMs.toFixed(0)} ms`,
    ].join("; "),
  });
});

it("a start on a full disk, the first ever: the node waits for room and says so, and measures when there is some", async (context) => {
  const disk = smallDisk(24 * MB);
  context.skip(disk === null, NO_MOUNT);
  const storage = join(disk ?? "", "store");
  mkdirSync(storage);
  fill(disk ?? "", 0);
  const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } } };
  const site = openLab().site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors, storage: { directory: storage } });
  for (const ends of ["stopped", "room"] as const) {
    const node = site.run();
    await node.event("NodeWaits");
    const asked = await vi.waitFor(async () => {
      const answer = await stoep(["status", site.file, "--check"]);
      expect(answer.stdout).toContain("DISK_FULL");
      return answer;
    });
    expect(asked.code).toBe(2);
    expect(asked.stdout).toContain("What to do: make room");
    if (ends === "room") {
      tidy(disk ?? "");
      await node.event("NodeReady");
      expect((await site.status()).status.state).toBe("online");
    }
    expect((await node.stop()).code).toBe(0);
  }
  faultRow({
    fault: "Card: full at the first start",
    injected: "tmpfs of 24 MB without a free byte",
    promised: "the node starts, says what it waits for, and goes on by itself when there is room",
    measured: "`stoep status` says DISK_FULL and exits with 2; it measures within 5 s of room; it stops cleanly while it waits",
  });
});

it("a start on a full disk that only a new node file names: the last one that held is run, elsewhere", async (context) => {
  const disk = smallDisk(24 * MB);
  context.skip(disk === null, NO_MOUNT);
  fill(disk ?? "", 0);
  const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } } };
  const sound = { broker: { url: "mqtt://127.0.0.1:1" }, sensors };
  const site = openLab().site(sound);
  const first = await site.runUntilReady();
  await first.event("ConfigKept");
  await first.stop();
  site.write({ ...sound, storage: { directory: disk ?? "" } });
  const node = await site.runUntilReady({ STATE_DIRECTORY: site.storage });
  expect((await site.status()).status.problems.map(({ code }) => code)).toContain("CONFIG_REJECTED");
  expect(node.events("ConfigGoodUsed")).toMatchObject([{ because: expect.stringMatching(/no room .* What to do: look at the folders/) }]);
  expect(node.events("NodeWaits")).toEqual([]);
  expect((await node.stop()).code).toBe(0);
  faultRow({
    fault: "Card: full where a new node file has its stores",
    injected: "tmpfs of 24 MB without a free byte, named by a file that was put in place of one that held",
    promised: "the last file that held is run, with the stores that it names; status says CONFIG_REJECTED",
    measured: "it is run, and nothing is waited for",
  });
});

it("a start on a full disk with a ballast: the node starts", async (context) => {
  const disk = smallDisk(48 * MB);
  context.skip(disk === null, NO_MOUNT);
  const directory = join(disk ?? "", "store");
  const first = await openOutbox({ directory, randomBytes });
  await first.commit(batchOf([summary(1)]));
  await first.keepBallast();
  await first.close();
  fill(disk ?? "", 0);
  const second = await openOutbox({ directory, randomBytes });
  await second.commit({ ...batchOf([summary(2)]), madeAt: epochMs(1) });
  expect([second.instance, second.quarantined, second.standing().lastSeq]).toEqual([first.instance, null, 2]);
  await second.close();
  faultRow({
    fault: "Card: full at a later start",
    injected: "tmpfs of 48 MB without a free byte beside a store with its ballast",
    promised: "the node starts",
    measured: "it starts with its name and all that waited, and commits",
  });
});

it("readings that wait for the clock on a small tmpfs: those that fit get their windows when it is trusted", async (context) => {
  const disk = smallDisk(16 * MB);
  context.skip(disk === null, NO_MOUNT);
  const path = join(disk ?? "", "live.db");
  const live = openLiveStore({ path, instance: "9f3a01c2", bootId: "boot", bytesMax: 64 * MB });
  const stream = live.streamIndex(STREAM, "");
  const writer = new ChunkWriter(1_000);
  for (let at = 0; at < 1_000; at++) writer.add(stream, monotonicMs(at), at, 1, 0, 0);
  const waits = {
    sensitivity: "environmental",
    windowMs: durationMs(60_000),
    window: null,
    fromMs: monotonicMs(0),
    toMs: monotonicMs(999),
  } as const;
  const chunk = { ...waits, data: writer.bytes() };
  let count = 0;
  const fillUp = (): void => {
    for (; count < 10_000; count++) live.append(chunk);
  };
  expect(fillUp).toThrow(expect.objectContaining({ code: "LIVE_FULL" }));
  expect(free(disk ?? ""), "the disk is not full yet").toBeGreaterThan(MB);
  for (const { id } of live.unlabelled()) live.relabel(id, [{ ...chunk, window: epochMs(0) }]);
  expect([...live.unlabelled()]).toEqual([]);
  expect([...live.read(durationMs(60_000), epochMs(0))]).toHaveLength(count);
  expect(live.purge("environmental", durationMs(60_000), epochMs(60_000))).toBe(count);
  live.close();
  faultRow({
    fault: "Memory: a tmpfs smaller than what readings may take",
    injected: "tmpfs of 16 MB; readings until no more fit, while the clock is not trusted",
    promised: "LIVE_FULL before the disk is full: what waits gets its windows when the clock is trusted, and is purged",
    measured: `${count} chunks of 1,000 readings waited; all of them got their window, and went with it`,
  });
});
