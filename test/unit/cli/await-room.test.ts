import { expect, it } from "vitest";
import { type WaitingStatus, whenThereIsRoom } from "../../../src/cli/await-room.ts";
import { OutboxError } from "../../../src/ports/outbox.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { RecordingEvents } from "../../support/recording-events.ts";

/** A node that is about to open its stores: `has`: what becomes of that. */
function starting(has: { trouble: Error | null }, hasElsewhere = async () => false) {
  const clock = new VirtualClock();
  const events = new RecordingEvents();
  const said: string[] = [];
  const stop = new AbortController();
  let status: (() => WaitingStatus) | null = null;
  const noise = { undelivered: () => 0, extendTimeout: () => undefined, watchdogIntervalMs: null };
  const manager = {
    ...noise,
    ready: () => said.push("ready"),
    status: (text: string) => said.push(text.slice(0, 5)),
    watchdog: () => said.push("watchdog"),
    stopping: () => said.push("stopping"),
    reloading: () => said.push("reloading"),
    close: () => said.push("close"),
  };
  const serve = async (told: () => WaitingStatus) => {
    status = told;
    return {
      close: async () => {
        status = null;
      },
    };
  };
  const open = async () => {
    if (has.trouble !== null) throw has.trouble;
    return "stores";
  };
  const world = { clock, events, manager, directory: "/nonexistent", serve, hasElsewhere, stopping: stop.signal };
  let outcome: unknown = null;
  const done = whenThereIsRoom(open, world).then(
    (stores) => {
      outcome = stores;
    },
    (error: unknown) => {
      outcome = error;
    },
  );
  return { clock, events, said, stop, done, outcome: () => outcome, status: () => status?.() ?? null };
}

it("a node with room starts at once, and says nothing of it", async () => {
  const node = starting({ trouble: null });
  await node.done;
  expect([node.outcome(), node.said, node.events.of("NodeWaits")]).toEqual(["stores", [], []]);
});

it("a node without room counts as started, says what it waits for, feeds the watchdog, and goes on when there is some", async () => {
  const has: { trouble: Error | null } = { trouble: new OutboxError("OUTBOX_FULL") };
  const node = starting(has);
  await node.clock.advance(12_000);
  expect(node.outcome()).toBeNull();
  expect(node.said).toEqual(["ready", "waits", "watchdog", "watchdog"]);
  expect(node.status()).toMatchObject({ waiting: { code: "DISK_FULL", path: "/nonexistent", freeBytes: null } });
  expect(node.events.of("NodeWaits")).toHaveLength(1);
  has.trouble = null;
  await node.clock.advance(5_000);
  expect([node.outcome(), node.status()]).toEqual(["stores", null]);
});

it("a node that is to stop meanwhile stops, and leaves no socket behind", async () => {
  const node = starting({ trouble: new OutboxError("OUTBOX_FULL") });
  await node.clock.advance(1_000);
  node.stop.abort();
  await node.done;
  expect([node.outcome(), node.status(), node.said.slice(-2)]).toEqual([node.stop.signal.reason, null, ["stopping", "close"]]);
});

it("a card that fails is not waited for", async () => {
  const failure = new OutboxError("OUTBOX_IO");
  const node = starting({ trouble: failure });
  await node.done;
  expect(node.outcome()).toBe(failure);
  const has = { trouble: new OutboxError("OUTBOX_FULL") };
  const later = starting(has);
  await later.clock.advance(1_000);
  has.trouble = failure;
  await later.clock.advance(5_000);
  expect([later.outcome(), later.status()]).toEqual([failure, null]);
});

it("nobody waits for room where another file that held has its stores elsewhere", async () => {
  const failure = new OutboxError("OUTBOX_FULL");
  const node = starting({ trouble: failure }, async () => true);
  await node.done;
  expect([node.outcome(), node.said, node.events.of("NodeWaits")]).toEqual([failure, [], []]);
});
