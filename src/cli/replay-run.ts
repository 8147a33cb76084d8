import { setTimeout as wait } from "node:timers/promises";
import { createReplayBus } from "../adapters/replay-bus.ts";
import { openStores } from "../adapters/sqlite/stores.ts";
import { createSystemCrypto } from "../adapters/system-crypto.ts";
import type { NodePlan } from "../config/plan.ts";
import type { NodeEvent } from "../core/events/events.ts";
import { DAY_MS, durationMs, HOUR_MS, SECOND_MS } from "../core/units/time.ts";
import { parseGolden } from "../driver-api/golden.ts";
import type { Clock } from "../ports/clock.ts";
import type { PortEvent, PortListener, ReplayBus } from "../ports/field-port.ts";
import { Node, type World } from "../runtime/node.ts";
import { EARLIEST_MS } from "../runtime/time-desk.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import type { Capture } from "./capture-source.ts";
import { softwareVersion } from "./version.ts";

export interface ReplayOptions {
  readonly capture: Capture;
  /** One sensor, on the port `replay`. */
  readonly plan: NodePlan;
  /** Virtual time for each real time; infinite: as fast as it goes. */
  readonly speed: number;
  readonly signal: AbortSignal;
  /** Told the payload of every summary, in order. */
  onSummary(payload: Uint8Array): void;
}

export interface ReplayReport {
  /** What came of it, in a sentence. */
  readonly says: string;
  /** What went wrong with the driver or the capture. */
  readonly troubles: readonly string[];
}

/** The node is there before the capture begins: of people no window is told that it did not see whole. */
const LEAD_MS = 5 * SECOND_MS;
/** A window is closed within a few slow ticks of its lateness. */
const SLACK_MS = 5 * SECOND_MS;
/** Virtual time passes in such portions; between them summaries are shown. */
const PORTION_MS = SECOND_MS;
const LIVE_BYTES_MAX = 256 * 1_024 * 1_024;
const ROWS_MAX = 500;
/** Longer than any clean stop takes. */
const STOP_MS = 60 * SECOND_MS;

/** Plays a capture to a whole node, on a clock that knows no waiting, over stores in memory, without a broker. */
export async function replayCapture({ capture, plan, speed, signal, onSummary }: ReplayOptions): Promise<ReplayReport> {
  const { file } = capture;
  const lengthMs = file.steps.at(-1)?.event.atMs ?? 0;
  const streams = plan.sensors.flatMap(({ streams: all }) => all.filter(({ from }) => from === null));
  const windowMs = Math.max(SECOND_MS, ...streams.map((stream) => stream.windowMs));
  const latenessMs = Math.max(0, ...streams.map((stream) => stream.latenessMs));
  const beginsMs = Math.floor(Math.max(capture.atMs ?? Date.now(), EARLIEST_MS + DAY_MS) / windowMs) * windowMs;
  const clock = new VirtualClock({ wallMs: beginsMs - LEAD_MS, bootId: "replay" });
  const untilMs = LEAD_MS + (Math.floor(lengthMs / windowMs) + 1) * windowMs + latenessMs + SLACK_MS;

  const troubles = new Set<string>();
  const world = await worldOf(capture, clock, (event) => {
    const trouble = troubleOf(event);
    if (trouble !== null) troubles.add(trouble);
  });
  const node = await Node.start(trusting(plan), world, {
    identity: { version: softwareVersion(), configRev: "00000000", bootId: "replay", outboxHours: null },
    // For ever: this node has no broker.
    connectAfterMs: Number.MAX_SAFE_INTEGER,
  });
  const shown = { position: 0, summaries: 0 };
  const show = async (): Promise<void> => {
    for (;;) {
      const rows = await world.outbox.read(shown.position, ROWS_MAX);
      for (const { position, seq, message } of rows) {
        shown.position = position;
        if (seq === null || startOf(message.payload) < beginsMs) continue; // a meta, or of before the capture
        shown.summaries++;
        onSummary(message.payload);
      }
      if (rows.length < ROWS_MAX) return;
    }
  };
  for (let passedMs = 0; passedMs < untilMs && !signal.aborted; passedMs += PORTION_MS) {
    await clock.advance(Math.min(PORTION_MS, untilMs - passedMs));
    await show();
    if (Number.isFinite(speed) && passedMs >= LEAD_MS) await wait(PORTION_MS / speed, undefined, { signal }).catch(() => {});
  }
  const notUsed = notUsedOf(node);
  const withheld = plan.sensors.flatMap(({ channels, streams: made }) =>
    channels.filter(({ name }) => !made.some(({ channel, policy }) => channel.name === name && policy.is !== "withheld")),
  );
  const stopping = node.stop("the replay is over");
  await clock.advance(STOP_MS);
  await stopping;
  const facts = [
    `${file.steps.length} events, ${shown.summaries} ${shown.summaries === 1 ? "summary" : "summaries"}`,
    ...(notUsed === "" ? [] : [`not used: ${notUsed}`]),
    ...(withheld.length === 0 ? [] : [`not published: ${withheld.map(({ name }) => name).join(", ")}`]),
    ...(signal.aborted ? ["ended by hand"] : []),
  ];
  return { says: facts.join("; "), troubles: [...troubles] };
}

const startOf = (payload: Uint8Array): number =>
  Date.parse((JSON.parse(Buffer.from(payload).toString("utf8")) as { readonly window: { readonly start: string } }).window.start);

/** The clock of a replay is right, whoever vouches for the one of the node. */
const trusting = (plan: NodePlan): NodePlan => ({ ...plan, time: { ...plan.time, source: "system", maxWaitMs: durationMs(HOUR_MS) } });

async function worldOf(capture: Capture, clock: VirtualClock, heard: (event: NodeEvent) => void): Promise<World> {
  const crypto = createSystemCrypto();
  const { outbox, live } = await openStores({
    ...{ directory: null, live: { path: null, bootId: clock.bootId, bytesMax: LIVE_BYTES_MAX } },
    ...{ machine: null, wallMs: clock.wallMs(), randomBytes: (count) => crypto.randomBytes(count) },
  });
  const readText = (): Promise<string> => new Promise((begin) => clock.after(LEAD_MS, () => begin(capture.text)));
  const replaying: Pick<Clock, "after" | "monotonicMs"> = clock;
  return {
    ...{ clock, crypto, outbox, live },
    events: { emit: heard },
    scheduler: { every: () => () => {} },
    serial: { open: noSuchPort, realPath: (path) => path },
    gpio: { probe: noSuchPort, watch: noSuchPort, close: () => {} },
    files: { open: noSuchPort },
    replay: playedOnce(createReplayBus({ clock: replaying, readText, parseCapture: parseGolden }), clock),
    broker: { connect: noBroker },
    residentBytes: () => 0,
  };
}

/** A port that is opened again goes on where the capture is: what came in between is lost, as on a street. */
function playedOnce(bus: ReplayBus, clock: Pick<Clock, "after">): ReplayBus {
  let listening: PortListener | null = null;
  let opened: PortEvent | null = null;
  let ended: PortEvent | null = null;
  return {
    open(replay, listener) {
      const isFirst = listening === null && opened === null && ended === null;
      listening = listener;
      if (isFirst) {
        bus.open(replay, (event) => {
          if (event.type === "opened") opened = event;
          if (event.type === "closed") ended = event;
          listening?.(event);
        });
      } else {
        const state = ended ?? opened;
        clock.after(0, () => listening === listener && state !== null && listener(state));
      }
      const close = (): void => {
        if (listening === listener) listening = null;
      };
      return { write: () => {}, signal: () => {}, close };
    },
  };
}

function noSuchPort(): never {
  throw new Error("bug: a replay has no ports");
}

/** Whatever a plan says. */
function noBroker(): never {
  throw new Error("bug: a replay has no broker");
}

function troubleOf(event: NodeEvent): string | null {
  switch (event.type) {
    case "SensorClosed":
      return event.code === "ended" ? null : `${event.detail}. What to do: ${event.remedy}`;
    case "SensorFault":
      return `the driver says that the instrument cannot work: ${event.code}`;
    case "DriverThrew":
      return `the driver threw, which is a bug of the driver: ${event.detail}`;
    default:
      return null;
  }
}

/** Of sensors of people there are no counters to be seen. */
function notUsedOf(node: Node): string {
  const [sensor] = Object.values(node.status().sensors);
  const counters = sensor?.counters;
  if (counters == null) return "";
  const lost = [
    ...Object.entries(counters.dropped).map(([reason, count]) => [`readings ${reason}`, count] as const),
    ...Object.entries(counters.discardedBytes).map(([reason, count]) => [`bytes ${reason}`, count] as const),
  ];
  return lost
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(", ");
}
