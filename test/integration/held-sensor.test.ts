import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { sealMessage } from "../../src/core/anonymise/message.ts";
import { epochMs } from "../../src/core/units/time.ts";
import type { Outbox } from "../../src/ports/outbox.ts";
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
async function filled(): Promise<Outbox> {
  const outbox = await openOutbox({ directory: null, randomBytes });
  for (let first = 1; first <= ROWS; first += 1_000) {
    const rows = Array.from({ length: 1_000 }, (_, index) => {
      const seq = first + index;
      return { message: message(`row ${seq}`, `p/n/${seq % 6 === 1 ? "denied" : "healthy"}/v/summary`), seq };
    });
    await outbox.commit({ rows, marks: new Map(), facts: new Map(), madeAt: epochMs(0) });
  }
  return outbox;
}

/** A process with a connection. */
function begin(outbox: Outbox, isDeniedAtFirst: boolean) {
  let isDenied = isDeniedAtFirst;
  const clock = new VirtualClock();
  const broker = new ScriptedBroker(clock);
  broker.friendly = true;
  broker.answer = (topic) => (isDenied && topic.includes("/denied/") ? 0x87 : 0);
  const events = new RecordingEvents();
  const time = new TimeDesk(clock, events, "operator", () => undefined);
  const status = () => message("status", "p/n/status");
  const world = { clock, crypto: fixedCrypto, broker, outbox, events, time, will: status, greeting: status };
  const publisher = new Publisher(world, { inFlightMax: 20, ackTimeoutMs: 30_000, perSecond: null, spreadMs: 0, departMs: 0 });
  publisher.start();
  broker.accept();
  return {
    allow: () => {
      isDenied = false;
    },
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
