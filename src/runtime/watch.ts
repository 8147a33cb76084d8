import type { SensorPlan } from "../config/plan.ts";
import { DROP_REASONS, type SensorCounters } from "../core/events/counters.ts";
import type { ChannelPlan } from "../core/reading/stream.ts";
import { isoUtc, type MonotonicMs, monotonicMs, SECOND_MS } from "../core/units/time.ts";
import type { BusEvent, Passage, ReadingDetail, SessionSink } from "../driver-api/driver.ts";
import { type Answer, formatAnswer, formatEvent, formatSerial } from "../driver-api/golden.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { TimeDesk } from "./time-desk.ts";
import type { WatchHead, WatchLine } from "./watch-lines.ts";
import type { Tap, WatchEnd, WatchGrant } from "./watches.ts";

/** Where the lines of a watch go. */
export interface LineReader {
  /** Bytes that were written and that the reader has not taken. */
  readonly waitingBytes: number;
  write(text: string): void;
  /** Nothing follows. At once: what waits is thrown away. */
  end(how: "after-what-waits" | "at-once"): void;
}

export interface WatchWorld {
  readonly clock: Clock;
  readonly time: TimeDesk;
  readonly node: string;
  readonly version: string;
}

/** Lines wait so long for others: a write for each reading would cost more than the reading. */
export const WATCH_FLUSH_MS = 100;
/** The most that waits for a reader; beyond it lines are dropped and counted. */
export const WATCH_BYTES_MAX = 1_048_576;
/** A reader that takes nothing for so long, while that is full, is sent away. */
export const WATCH_STALLED_MS_MAX = 10 * SECOND_MS;
/** An edge brings the kernel's time; one that is older than this was stamped by another clock. */
const STAMP_AGE_MS_MAX = 10_000;
const NS_PER_MS = 1e6;
const textBytes = (text: string): number => text.length;

type Sounds = Pick<SessionSink, "passage" | "total" | "fault"> & {
  reading(channel: string, value: number | null, note: string | null): void;
};

/**
 * One watch of one sensor: turns what is told and answered into lines for a reader. It holds nothing up: what the reader does not take
 * in time is dropped, and counted where it is missing. Of identifiers it tells nothing at all, not even that there was one.
 */
export class Watch implements Tap {
  readonly #world: WatchWorld;
  readonly #grant: WatchGrant;
  readonly #reader: LineReader;
  readonly #channels: ReadonlyMap<string, ChannelPlan>;
  readonly #cancelEnd: Cancel;
  #cancelFlush: Cancel;
  #lines = "";
  #gap = { lines: 0, byteCount: 0 };
  #fullSinceMs: number | null = null;
  #isOver = false;
  #state = "";
  /** Counters of before the watch: what is told counts from its beginning. */
  readonly #before: Unused;
  #unused = "";
  #lostEdges: number;
  /** When the last event that was written happened; null before the first. */
  #eventMs: MonotonicMs | null = null;
  #inner: SessionSink | null = null;
  readonly #sink: SessionSink;

  constructor(world: WatchWorld, grant: WatchGrant, reader: LineReader) {
    this.#world = world;
    this.#grant = grant;
    this.#reader = reader;
    const { plan, counters } = grant.sensor;
    this.#channels = new Map(plan.channels.map((channel) => [channel.name, channel]));
    this.#before = unusedOf(counters);
    this.#lostEdges = counters.lostEdges;
    this.#sink = this.#passingOn();
    this.#tell(this.#head());
    this.#tellState();
    const { opened } = grant;
    if (opened !== null) this.#tellEvent({ type: "opened", atMs: world.clock.monotonicMs(), settings: opened });
    this.#cancelEnd = world.clock.after(grant.forMs, () => this.end("time"));
    this.#cancelFlush = world.clock.after(0, () => this.#tick());
  }

  hear(event: BusEvent, sink: SessionSink): SessionSink {
    if (this.#isOver) return sink;
    this.#tellEvent(event);
    this.#inner = sink;
    return this.#sink;
  }

  end(because: WatchEnd): void {
    if (this.#isOver) return;
    this.#flush();
    this.#isOver = true;
    this.#cancelEnd();
    this.#cancelFlush();
    const isHeard = because !== "gone" && because !== "slow";
    if (isHeard) this.#reader.write(`${this.#gapLine()}${lineOf({ is: "end", because })}`);
    this.#reader.end(isHeard ? "after-what-waits" : "at-once");
    this.#grant.over(because);
  }

  #tick(): void {
    this.#tellState();
    this.#tellCounters();
    // Whoever has taken everything is not slow, also where nothing more is to be told.
    if (this.#lines === "" && this.#reader.waitingBytes === 0) this.#fullSinceMs = null;
    this.#flush();
    const nowMs = this.#world.clock.monotonicMs();
    if (this.#fullSinceMs !== null && nowMs - this.#fullSinceMs >= WATCH_STALLED_MS_MAX) return this.end("slow");
    this.#cancelFlush = this.#world.clock.after(WATCH_FLUSH_MS, () => this.#tick());
  }

  #flush(): void {
    if (this.#lines === "") return;
    const lines = this.#lines;
    this.#lines = "";
    this.#reader.write(lines);
  }

  #tell(line: WatchLine): void {
    const text = lineOf(line);
    const waiting = this.#reader.waitingBytes + textBytes(this.#lines);
    if (waiting + textBytes(text) > WATCH_BYTES_MAX) {
      this.#fullSinceMs ??= this.#world.clock.monotonicMs();
      this.#gap.lines++;
      this.#gap.byteCount += line.is === "event" ? line.byteCount : 0;
      return;
    }
    this.#fullSinceMs = null;
    this.#lines += this.#gapLine() + text;
  }

  /** What is missing here, once. */
  #gapLine(): string {
    if (this.#gap.lines === 0) return "";
    const line = lineOf({ is: "gap", ...this.#gap });
    this.#gap = { lines: 0, byteCount: 0 };
    return line;
  }

  #head(): WatchHead {
    const { sensor, wants, forMs, isOfPeople } = this.#grant;
    const { plan } = sensor;
    const channels = plan.channels.map(({ name, quantity, kind, unit, sensitivity, states }) => ({
      ...{ name, quantity, kind, unit, sensitivity, states },
    }));
    return {
      ...{ is: "head", at: this.#at(), node: this.#world.node, version: this.#world.version, sensor: plan.id },
      ...{ driver: plan.driver.name, options: notDefault(plan), port: this.#port(), wants, forMs, isOfPeople, channels },
    };
  }

  #port(): string {
    const { opened, sensor } = this.#grant;
    const { port } = sensor.plan;
    return port.is === "serial" ? `serial ${formatSerial(opened?.serial ?? port.settings)}` : port.is;
  }

  #tellState(): void {
    const { state, trouble } = this.#grant.sensor;
    if (`${state} ${trouble}` === this.#state) return;
    this.#state = `${state} ${trouble}`;
    this.#tell({ is: "state", state, trouble });
  }

  #tellCounters(): void {
    const { counters } = this.#grant.sensor;
    const lost = counters.lostEdges - this.#lostEdges;
    this.#lostEdges = counters.lostEdges;
    if (lost > 0) this.#tell({ is: "lost", edges: lost });
    if (this.#grant.wants === "events") return;
    const now = unusedOf(counters);
    const line = {
      is: "unused",
      bytes: grown(now.bytes, this.#before.bytes),
      readings: grown(now.readings, this.#before.readings),
    } as const;
    const text = JSON.stringify(line);
    const isSame = text === this.#unused || (this.#unused === "" && text === NOTHING_UNUSED);
    if (isSame) return;
    this.#unused = text;
    this.#tell(line);
  }

  /** Timers are the runtime's: a capture has none. */
  #tellEvent(event: BusEvent): void {
    if (this.#grant.wants !== "events" || event.type === "timer") return;
    const atMs = monotonicMs(Math.max(happenedMs(event), this.#eventMs ?? 0));
    const line = formatEvent(event, atMs - (this.#eventMs ?? atMs));
    const byteCount = "data" in event ? event.data.byteLength : 0;
    const gaps = this.#gap.lines;
    this.#tell({ is: "event", line, byteCount });
    // The time that a gap took is in the line behind it.
    if (this.#gap.lines <= gaps) this.#eventMs = atMs;
  }

  #at(): string {
    return isoUtc(this.#world.time.best());
  }

  /** What the driver answers goes where it always goes, and first: a watch that failed must not keep a reading from its window. */
  #passingOn(): SessionSink {
    const inner = (): SessionSink => this.#inner as SessionSink;
    const sounds = this.#grant.wants === "readings" ? this.#sounds() : SILENT;
    const said = (answer: Answer): void => {
      if (this.#grant.wants === "events" && !this.#isOver) this.#tell({ is: "said", line: formatAnswer(answer) });
    };
    return {
      reading: (channel, value, detail) => {
        const note = this.#noteOn(() => inner().reading(channel, value, detail), detail);
        sounds.reading(channel, value, note);
      },
      passage: (channel, passage) => {
        inner().passage(channel, passage);
        sounds.passage(channel, passage);
      },
      total: (channel, value, detail) => {
        inner().total(channel, value, detail);
        sounds.total(channel, value, detail);
      },
      identity: (channel, bytes) => inner().identity(channel, bytes),
      request: (tag, body, timeoutMs) => {
        said({ call: "request", tag, body, timeoutMs });
        inner().request(tag, body, timeoutMs);
      },
      write: (data) => {
        said({ call: "write", data });
        inner().write(data);
      },
      reopen: (settings) => {
        said({ call: "reopen", settings });
        inner().reopen(settings);
      },
      signal: (name, on) => {
        said({ call: "signal", name, on });
        inner().signal(name, on);
      },
      expect: (withinMs) => inner().expect(withinMs),
      about: (facts) => inner().about(facts),
      timer: (name, afterMs) => inner().timer(name, afterMs),
      discard: (reason, byteCount) => inner().discard(reason, byteCount),
      fault: (code, retry) => {
        inner().fault(code, retry);
        sounds.fault(code, retry);
      },
    };
  }

  #sounds(): Sounds {
    const tell = (line: WatchLine): void => {
      if (!this.#isOver) this.#tell(line);
    };
    return {
      reading: (channel, value, note) => tell({ is: "reading", at: this.#at(), channel, value: this.#calibrated(channel, value), note }),
      passage: (channel, passage) => tell({ is: "passage", at: this.#at(), channel, ...facts(passage) }),
      total: (channel, value) => tell({ is: "total", at: this.#at(), channel, value }),
      fault: (code) => tell({ is: "fault", at: this.#at(), code }),
    };
  }

  /** Why a reading that is being taken in does not count, as the books of the sensor have it; null when it does. */
  #noteOn(takeIn: () => void, detail: ReadingDetail | undefined): string | null {
    const { counters } = this.#grant.sensor;
    const { setAside } = counters;
    const dropped = { ...counters.dropped };
    takeIn();
    const reason = DROP_REASONS.find((one) => counters.dropped[one] > dropped[one]);
    return reason ?? (counters.setAside > setAside ? (detail?.quality ?? "warming") : null);
  }

  #calibrated(name: string, value: number | null): number | null {
    const channel = this.#channels.get(name);
    if (channel === undefined || value === null || !Number.isFinite(value)) return null;
    return value * (channel.calibration?.scale ?? 1) + (channel.calibration?.offset ?? 0);
  }
}

const SILENT: Sounds = { reading: () => {}, passage: () => {}, total: () => {}, fault: () => {} };

const lineOf = (line: WatchLine): string => `${JSON.stringify(line)}\n`;

const facts = ({ direction, class: roadUser, speedKmh }: Passage) => ({
  ...{ direction: direction ?? null, class: roadUser ?? null, speedKmh: speedKmh ?? null },
});

interface Unused {
  readonly bytes: Readonly<Record<string, number>>;
  readonly readings: Readonly<Record<string, number>>;
}

const NOTHING_UNUSED = JSON.stringify({ is: "unused", bytes: {}, readings: {} });

function unusedOf({ discardedBytes, dropped }: SensorCounters): Unused {
  return { bytes: { ...discardedBytes }, readings: Object.fromEntries(DROP_REASONS.map((reason) => [reason, dropped[reason]])) };
}

/** The options, or none where they are what no options mean: a capture should outlive an option that it has no use for. */
function notDefault({ driver, options }: SensorPlan): unknown {
  const standard = driver.options.safeParse({});
  return standard.success && JSON.stringify(standard.data) === JSON.stringify(options) ? {} : options;
}

/** What there is more of than before. */
function grown(now: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(now)
      .map(([reason, count]) => [reason, count - (before[reason] ?? 0)] as const)
      .filter(([, count]) => count > 0),
  );
}

/**
 * When an event happened in the field, as `Sensor` has it: the kernel's stamp of an edge, where that is of the last seconds, to the
 * microsecond; of everything else when it was seen, of which no more than a millisecond can be believed.
 */
function happenedMs(event: BusEvent): number {
  if (event.type !== "edge") return Math.round(event.atMs);
  const stampMs = Number(event.atNs) / NS_PER_MS;
  const isPlausible = stampMs <= event.atMs && event.atMs - stampMs < STAMP_AGE_MS_MAX;
  return Math.round((isPlausible ? stampMs : event.atMs) * 1_000) / 1_000;
}
