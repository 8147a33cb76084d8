import type { z } from "zod";
import type { Framers } from "../core/framing/framers.ts";
import type { CellAxes, Direction, RoadUser } from "../core/reading/direction.ts";
import type { Quantity, Sensitivity } from "../core/reading/quantity.ts";
import type { NoReplyReason, OpenedPort, RequestBody, SerialSettings } from "../core/units/port.ts";
import type { MonotonicMs } from "../core/units/time.ts";

/** What a driver module exports by default: given the tools, it returns the driver. */
export type DriverModule = (api: DriverApi) => Driver;

/**
 * The tools a driver is given, so that a driver file in any folder works with `import type` alone.
 * `z` is zod (zod.dev), for `options`; the rest are framers and checksums over bytes.
 */
export interface DriverApi extends Framers {
  readonly z: typeof z;
  /** The vocabulary entry of a quantity, for drivers whose options name one; null when the vocabulary has no such name. */
  findQuantity(name: string): Quantity | null;
}

/** The kinds of port that a driver can stand on. `simulator` has no hardware: only timers, and its summaries are flagged. */
export type PortKind = "serial" | "gpio" | "modbus" | "file" | "simulator";

/** One channel of a driver: one thing that it can measure. */
export interface ChannelSpec {
  /** Id within the driver; the default name of the stream. `[a-z0-9][a-z0-9_-]{0,31}`. */
  readonly name: string;
  /** Name from the quantity vocabulary (`core/reading/quantity.ts`); an unknown one counts as `presence`. */
  readonly quantity: string;
  /** UCUM unit of the values that the session emits; the quantity's own unit where it has one. */
  readonly unit: string;
  /** Lowest and highest value the hardware can report, inclusive; a value outside is counted and dropped. */
  readonly range: readonly [min: number, max: number];
  /** Smallest step of the value: summaries are rounded to its decimals. */
  readonly resolution: number;
  /** How closely it stems from people; the quantity's floor may make it stricter. */
  readonly sensitivity: Sensitivity;
  /** For kind `passage`: the declared domain of its cells. */
  readonly cells?: CellAxes;
  /** For kind `passage`: the most passages that one object can cause. It scales the noise and is proven by a golden case. */
  readonly maxPerPassage?: number;
  /** For kind `state`: the names of the states, where the quantity does not give them. A reading is an index into them. */
  readonly states?: readonly string[];
  /** false: measured, but not published unless the operator names it. */
  readonly publish?: boolean;
  /**
   * How long after power-on the hardware needs before its values count, milliseconds. The runtime counts it from each opening: what is said
   * until then is set aside and not covered. A driver that knows better says `quality: "ok"`, or `"warming"` after a reboot that it saw.
   */
  readonly warmUpMs?: number;
  /** Life of the sensing element in hours of operation, by its datasheet. More `hours` in `about` are a problem of the node. */
  readonly lifeHours?: number;
}

/** What happens to a session. One event at a time; `atMs` is the monotonic time at which the runtime saw it. */
export type BusEvent =
  | { readonly type: "opened"; readonly atMs: MonotonicMs; readonly settings: OpenedPort }
  /** `data` is only valid during the call: the runtime may reuse the buffer. */
  | { readonly type: "bytes"; readonly atMs: MonotonicMs; readonly data: Uint8Array }
  /** `atNs` is the kernel's time stamp of the edge on the same clock, where the backend has one, else the time it was seen. */
  | { readonly type: "edge"; readonly atMs: MonotonicMs; readonly line: string; readonly rising: boolean; readonly atNs: bigint }
  /** `data` is only valid during the call. Of registers: two bytes each, high byte first; of bits: eight a byte, the first the lowest. */
  | { readonly type: "reply"; readonly atMs: MonotonicMs; readonly tag: string; readonly data: Uint8Array }
  /**
   * `timeout`: asked, and no answer in time. `exception`: the device refused, `code` is Modbus's (1 function, 2 address, 3 value,
   * 4 failure, 6 busy …). `busy`: not asked, because the device rests after a timeout or too many requests wait; ask again later.
   */
  | {
      readonly type: "noReply";
      readonly atMs: MonotonicMs;
      readonly tag: string;
      readonly reason: NoReplyReason;
      readonly code?: number;
    }
  | { readonly type: "timer"; readonly atMs: MonotonicMs; readonly name: string }
  | { readonly type: "closed"; readonly atMs: MonotonicMs; readonly reason: string };

/** Quality of a reading: `warming` and `suspect` readings are counted but kept out of statistics. */
export type Quality = "ok" | "warming" | "suspect";

/** What can be said about one reading beyond its value. */
export interface ReadingDetail {
  readonly quality?: Quality;
  /** The value is the instrument's own aggregate over this long, ending now. Milliseconds. */
  readonly coversMs?: number;
}

/** One passage in front of the sensor. */
export interface Passage {
  readonly direction?: Direction;
  readonly class?: RoadUser;
  /** Goes to the driver's one channel of kind `speed`, where it has one. */
  readonly speedKmh?: number;
}

/**
 * Why bytes were not used. `noise`: no frame starts here; `checksum`, `length`, `syntax`: a frame that is wrong; `overflow`: no
 * end in sight; `stale`: an unfinished frame when the port closed.
 */
export type DiscardReason = "noise" | "checksum" | "length" | "syntax" | "overflow" | "stale" | "unexpected";

export type { RequestBody } from "../core/units/port.ts";

/** Where a session puts its answers. Every method may be called any number of times during one event. */
export interface SessionSink {
  /** One value of a channel; null when the device itself said that it has none. A state is held until the next one, or null. */
  reading(channel: string, value: number | null, detail?: ReadingDetail): void;
  /** ONE physical event, whatever the device printed about it. */
  passage(channel: string, passage: Passage): void;
  /** A running total as the device keeps it. Differences, roll-over (`modulus`) and resets are core's business. */
  total(channel: string, value: number, detail?: { readonly modulus?: number }): void;
  /** The only way to pass an identifier: it is hashed and the bytes are zeroed at ingest. */
  identity(channel: string, bytes: Uint8Array): void;
  /**
   * Asks and owns a shared bus until `reply` or `noReply` with the same tag; `closed` ends it too. `timeoutMs`: how long the device may
   * take to begin its answer; what the bytes take on the line is added. Requests of a session are asked in their order, other
   * devices between them. A port that is not shared takes none: `noReply` `exception` without a code; there a session has `write`.
   */
  request(tag: string, body: RequestBody, timeoutMs: number): void;
  write(data: Uint8Array): void;
  /** Closes the port and opens it again with these settings; `opened` follows. */
  reopen(settings: SerialSettings): void;
  signal(name: "break" | "dtr" | "rts", on: boolean): void;
  /** The rhythm: something that shows life comes at least this often. null: event-driven, no silence timeout. */
  expect(withinMs: number | null): void;
  about(facts: { readonly model?: string; readonly firmware?: string; readonly serial?: string; readonly hours?: number }): void;
  /** Delivers `{ type: "timer", name }` once, after `afterMs`; null cancels. A second call with the same name replaces the first. */
  timer(name: string, afterMs: number | null): void;
  /** Bytes that were not used. Every byte is part of a frame that was understood, or discarded, or still waiting. */
  discard(reason: DiscardReason, byteCount: number): void;
  /** The device cannot work. `reopen`: close and try again with backoff; `never`: until the config changes. */
  fault(code: string, retry: "reopen" | "never"): void;
}

/**
 * The conversation with one device: pure and synchronous. It lives across reopening, never throws on bad input and answers
 * an event that it does not know with nothing.
 */
export interface Session {
  handle(event: BusEvent, out: SessionSink): void;
}

/** A driver: what it is called, what it stands on, what it can measure, and how to start a conversation. */
export interface Driver<Options = unknown> {
  readonly apiVersion: 1;
  /** The name of its folder and its name in YAML. */
  readonly name: string;
  /** One sentence for the catalogue. */
  readonly summary: string;
  readonly port: PortKind;
  /** Line settings when port is `serial` (the config may override the baud rate) or `modbus` (the config's bus must have them). */
  readonly serial?: SerialSettings;
  /** When port is `modbus`: what the line of the bus must be with these options, as far as they say so. */
  unitLine?(options: Options): Partial<SerialSettings>;
  /** GPIO lines it needs, by name, when port is `gpio`; absent: one, called `line`. */
  readonly lines?: readonly string[];
  /** true: understands any device of a form (JSON lines), so other drivers' captures may mean something to it. */
  readonly generic?: boolean;
  /** Where what its golden files hold comes from, in a few words for the catalogue: a device, a data sheet, another project. */
  readonly testedWith?: string;
  /** Which of its frames carry no checksum, in a sentence: on a bad line they may say what nobody measured. Absent: none of them. */
  readonly unchecked?: string;
  readonly options: z.ZodType<Options>;
  /** The channels for these options, in a fixed order. */
  channels(options: Options): readonly ChannelSpec[];
  start(options: Options): Session;
}
