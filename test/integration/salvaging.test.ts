import { mkdirSync, rmdirSync, rmSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { Salvaging } from "../../src/cli/salvaging.ts";
import { type Outbox, OutboxError } from "../../src/ports/outbox.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { acked, batchOf, summaries } from "../contract/outbox-contract.ts";
import { RecordingEvents } from "../support/recording-events.ts";
import { fileOf, textsOf, WreckedStores, written } from "../support/wrecked-store.ts";

const stores = new WreckedStores();
afterAll(() => stores.remove());

const MINUTE = 60_000;
/** Bytes of a message of these tests. */
const MESSAGE = 40;

/** A node that found its store damaged at the start. */
function salvaging(directory: string, outbox: Outbox, bytesMax = 1e9) {
  const clock = new VirtualClock();
  const events = new RecordingEvents();
  const running = new Salvaging(directory, bytesMax, { outbox, clock, events });
  const said = () => events.of("OutboxSalvaged").map(({ rows, left }) => ({ rows, left }));
  return { clock, events, running, said };
}

describe("salvage beside the work of a node", () => {
  it("takes 100 rows a commit, and leaves the node time of its own between two", async () => {
    const directory = await stores.wrecked(619);
    const outbox = await stores.open(directory);
    const { clock, said } = salvaging(directory, outbox);
    const waiting: number[] = [];
    for (let pause = 0; pause < 7; pause++) {
      await clock.advance(50);
      waiting.push(outbox.standing().pendingRows);
      await outbox.commit(batchOf(summaries(pause + 1, 1)));
    }
    expect(waiting).toEqual([200, 301, 402, 503, 604, 605, 606]);
    expect(said()).toEqual([{ rows: 600, left: 0 }]);
    await outbox.close();
  });

  it("says once what came of it, and does not come back to it", async () => {
    const directory = await stores.wrecked(300);
    const outbox = await stores.open(directory);
    const { clock, events } = salvaging(directory, outbox);
    await clock.advance(10 * MINUTE);
    expect(events.all).toEqual([{ type: "OutboxSalvaged", path: fileOf(directory, 1), rows: 281, damaged: 0, left: 0 }]);
    expect(await textsOf(outbox)).toEqual(written(20, 281));
    await outbox.close();
    const next = await stores.open(directory);
    const again = salvaging(directory, next);
    await again.clock.advance(10 * MINUTE);
    expect(again.events.all).toEqual([]);
    await next.close();
  });

  it("says once that there is no room, looks every minute, and says the whole when all is over", async () => {
    const directory = await stores.wrecked(500);
    const outbox = await stores.open(directory);
    const { clock, said } = salvaging(directory, outbox, 200 * MESSAGE);
    await clock.advance(5 * MINUTE);
    expect(said()).toEqual([{ rows: 200, left: 281 }]);
    await outbox.acknowledge(acked(outbox, 100));
    await clock.advance(MINUTE);
    expect([said().length, outbox.standing().pendingRows]).toEqual([1, 200]);
    for (const upTo of [300, 481]) {
      await outbox.acknowledge(acked(outbox, upTo));
      await clock.advance(MINUTE);
    }
    expect(said()).toEqual([
      { rows: 200, left: 281 },
      { rows: 481, left: 0 },
    ]);
    await outbox.close();
  });

  it("stops with the node, without a word, and the next start takes the rest", async () => {
    const directory = await stores.wrecked(500);
    const first = await stores.open(directory);
    const { clock, running, events } = salvaging(directory, first);
    await clock.advance(50);
    running.stop();
    await clock.advance(10 * MINUTE);
    expect([events.all, first.standing().pendingRows]).toEqual([[], 200]);
    await first.close();
    const second = await stores.open(directory);
    const next = salvaging(directory, second);
    await next.clock.advance(MINUTE);
    expect(next.said()).toEqual([{ rows: 481, left: 0 }]);
    expect(await textsOf(second)).toEqual(written(20, 481));
    await second.close();
  });

  it("does not come back after a stop while it waits for room", async () => {
    const directory = await stores.wrecked(500);
    const outbox = await stores.open(directory);
    const { clock, running, said } = salvaging(directory, outbox, 200 * MESSAGE);
    await clock.advance(MINUTE);
    running.stop();
    await outbox.acknowledge(acked(outbox, 200));
    await clock.advance(10 * MINUTE);
    expect([said().length, outbox.standing().pendingRows]).toEqual([1, 0]);
    await outbox.close();
  });

  it("does not take a store for lost that cannot be read at the moment", async () => {
    const directory = await stores.wrecked(300);
    const outbox = await stores.open(directory);
    const wal = `${fileOf(directory, 1)}-wal`;
    rmSync(wal, { force: true });
    mkdirSync(wal); // what SQLite cannot open is as good as a card that gives an error
    const { clock, events, said } = salvaging(directory, outbox);
    await clock.advance(9.5 * MINUTE);
    const failure = { type: "OutboxFailed", code: "salvage", detail: "node.db.corrupt-1 cannot be read now: unable to open database file" };
    expect(events.all).toEqual(Array.from({ length: 10 }, () => failure));
    rmdirSync(wal);
    await clock.advance(MINUTE);
    expect(said()).toEqual([{ rows: 281, left: 0 }]);
    expect(await textsOf(outbox)).toEqual(written(20, 281));
    await outbox.close();
  });

  it("tries a card again a minute later that failed, and takes nothing twice", async () => {
    const directory = await stores.wrecked(500);
    const outbox = await stores.open(directory);
    const commit = outbox.commit.bind(outbox);
    let commits = 0;
    const trouble = new OutboxError("OUTBOX_IO", { cause: new Error("disk I/O error") });
    outbox.commit = (batch) => (++commits === 3 ? Promise.reject(trouble) : commit(batch));
    const { clock, events, said } = salvaging(directory, outbox);
    await clock.advance(MINUTE / 2);
    expect(events.all).toEqual([{ type: "OutboxFailed", code: "salvage", detail: "the outbox failed: disk I/O error" }]);
    await clock.advance(MINUTE);
    expect(said()).toEqual([{ rows: 481, left: 0 }]);
    expect(await textsOf(outbox)).toEqual(written(20, 481));
    await outbox.close();
  });
});
