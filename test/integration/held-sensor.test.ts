import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { sealMessage } from "../../src/core/anonymise/message.ts";
import { epochMs } from "../../src/core/units/time.ts";
import { type Outbox, OutboxError } from "../../src/ports/outbox.ts";
import { AHEAD_RANGES_MAX } from "../../src/runtime/outbox-feed.ts";
import { Publisher } from "../../src/runtime/publisher.ts";
import { TimeDesk } from "../../src/runtime/time-desk.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { RecordingEvents } from "../support/recording-events.ts";
import { ScriptedBroker } from "../support/scripted-broker.ts";
import { fixedCrypto } from "../support/virtual-node.ts";

const ROWS = 60_000;

const message = (text: string, topic: string) =>
  sealMessage({ topic, payload: new TextEncoder().encode(text), retain: false, expirySeconds: null });

/** One of six summaries is of a sensor that the broker does not let publish. */
async function filled(count = ROWS): Promise<Outbox> {
  const outbox = await openOutbox({ directory: null, randomBytes });
  for (let first = 1; first <= count; first += 1_000) {
    const rows = Array.from({ length: 1_000 }, (_, index) => {
      const seq = first + index;
      return { message: message(`row ${seq}`, `p/n/${seq % 6 === 1 ? "denied" : "healthy"}/v/summary`), seq };
    });
    await outbox.commit({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(0) });
  }
  return outbox;
}

/** A process with a connection. */
function begin(outbox: Outbox, isDeniedAtFirst: boolean, aheadRangesMax = AHEAD_RANGES_MAX) {
  let isDenied = isDeniedAtFirst;
  const clock = new VirtualClock();
  const broker = new ScriptedBroker(clock);
  broker.friendly = true;
  broker.answer = (topic) => (isDenied && topic.includes("/denied/") ? 0x87 : 0);
  const events = new RecordingEvents();
  const time = new TimeDesk(clock, events, "operator", () => undefined);
  const status = () => message("status", "p/n/status");
  const world = { clock, crypto: fixedCrypto, broker, outbox, events, time, will: status, greeting: status };
  const publisher = new Publisher(world, {
    inFlightMax: 20,
    ackTimeoutMs: 30_000,
    perSecond: null,
    spreadMs: 0,
    departMs: 0,
    aheadRangesMax,
  });
  publisher.start();
  broker.accept();
  return {
    allow: () => {
      isDenied = false;
    },
    publisher,
    async pass(seconds: number): Promise<void> {
      for (let second = 0; second < seconds; second++) {
        await clock.advance(1_000);
        await publisher.tick();
      }
    },
    seen: (sensor: string) =>
      broker.published.filter(({ topic }) => topic.includes(`/${sensor}/`)).map(({ text }) => Number(text.slice(4))),
  };
}

it("a sensor that may not publish for weeks: others go on, over a restart too; when it may, all of it leaves in order", async () => {
  const outbox = await filled();
  const first = begin(outbox, true);
  await first.pass(60);
  const healthy = Array.from({ length: ROWS }, (_, index) => index + 1).filter((seq) => seq % 6 !== 1);
  expect(first.seen("healthy"), "all that others made").toEqual(healthy);
  expect(outbox.standing()).toMatchObject({ firstUnackedSeq: 1, pendingRows: ROWS / 6, aheadRanges: ROWS / 6 });
  expect(new Set(first.seen("denied")).size, "only what was under way was tried").toBeLessThanOrEqual(20);

  await outbox.reopen();
  const still = begin(outbox, true);
  await still.pass(130);
  expect(still.seen("healthy")).toEqual([]);
  expect(new Set(still.seen("denied")).size).toBeLessThanOrEqual(20);

  await outbox.reopen();
  const second = begin(outbox, false);
  await second.pass(60);
  expect(second.seen("denied")).toEqual(Array.from({ length: ROWS / 6 }, (_, index) => 6 * index + 1));
  expect(second.seen("healthy"), "none of them twice").toEqual([]);
  expect(outbox.standing()).toMatchObject({ firstUnackedSeq: null, pendingRows: 0, aheadRanges: 0, acknowledgedPosition: ROWS, lost: [] });
  await outbox.close();
}, 120_000);

it("a sensor that may publish again while the node runs: what was left in the outbox leaves, in order", async () => {
  const outbox = await filled();
  const node = begin(outbox, true);
  await node.pass(30);
  const tried = node.seen("denied").length;
  node.allow();
  await node.pass(100);
  expect(node.seen("denied").slice(tried)).toEqual(Array.from({ length: ROWS / 6 }, (_, index) => 6 * index + 1));
  expect(outbox.standing()).toMatchObject({ pendingRows: 0, aheadRanges: 0, lost: [] });
  await outbox.close();
}, 120_000);

it.each(["in the same run", "after a restart"])(
  "others wait when they are too far ahead, and all goes on when the sensor may publish, %s",
  async (when) => {
    const outbox = await filled(6_000);
    const node = begin(outbox, true, 200);
    await node.pass(30);
    const { aheadRanges, pendingRows } = outbox.standing();
    expect(aheadRanges).toBeGreaterThanOrEqual(200);
    expect(aheadRanges).toBeLessThan(220);
    expect(pendingRows).toBeGreaterThan(4_000);
    if (when === "in the same run") node.allow();
    else await outbox.reopen();
    const next = when === "in the same run" ? node : begin(outbox, false, 200);
    await next.pass(130);
    expect(outbox.standing()).toMatchObject({ pendingRows: 0, aheadRanges: 0, lost: [] });
    await outbox.close();
  },
);

it("a replay of which nobody knows whether it is on the card is sent all the same, once the outbox was opened again", async () => {
  const outbox = await filled(1_000);
  const node = begin(outbox, false);
  await node.pass(5);
  expect(outbox.standing().pendingRows).toBe(0);
  const rewind = outbox.rewind.bind(outbox);
  outbox.rewind = async (fromSeq) => {
    await rewind(fromSeq);
    throw new OutboxError("OUTBOX_IO");
  };
  await expect(node.publisher.replay(900)).rejects.toThrow();
  await outbox.reopen();
  await node.pass(5);
  expect(outbox.standing()).toMatchObject({ pendingRows: 0, aheadRanges: 0 });
  outbox.rewind = rewind;
  expect(await node.publisher.replay(990), "and another one is taken").toBe(990);
  await node.pass(5);
  expect(node.seen("healthy").filter((seq) => seq >= 990).length + node.seen("denied").filter((seq) => seq >= 990).length).toBe(3 * 11);
  await outbox.close();
});
