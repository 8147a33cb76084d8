import { readFile, stat } from "node:fs/promises";
import { assert } from "../core/assert.ts";
import type { OpenedPort } from "../core/units/port.ts";
import type { BusEvent } from "../driver-api/driver.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { FieldPort, PortEvent, PortFault, PortListener, ReplayBus } from "../ports/field-port.ts";

/** A capture is held in memory while it plays; a larger one is refused. */
export const CAPTURE_BYTES_MAX = 64 * 1_024 * 1_024;
/** Time between the end of a capture and its next beginning, at speed 1. */
export const REPEAT_GAP_MS = 1_000;
/** Most events told in one turn, so that a fast replay leaves room for everything else. */
const EVENTS_PER_TURN_MAX = 500;

const NS_PER_MS = 1e6;

/** What `parseGolden` of the driver API answers, as far as it is needed here. Times count from the start of the file. */
export type CaptureResult =
  | { readonly ok: true; readonly file: { readonly steps: readonly { readonly event: BusEvent }[] } }
  | { readonly ok: false; readonly problems: readonly { readonly line: number; readonly column: number; readonly message: string }[] };

export interface ReplayBusOptions {
  readonly clock: Pick<Clock, "after" | "monotonicMs">;
  readonly readText: (file: string) => Promise<string>;
  readonly parseCapture: (text: string) => CaptureResult;
}

/** Reads a capture from disk. */
export async function readCaptureFile(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > CAPTURE_BYTES_MAX) throw new Error(`the capture has ${size} bytes, and at most ${CAPTURE_BYTES_MAX} are played`);
  return await readFile(file, "utf8");
}

/**
 * Plays captures as if they were ports. Bytes, edges and replies are told; a port that was closed and opened within the capture is a pause;
 * timers are the session's own. The end is `closed`, unless the capture repeats.
 */
export function createReplayBus(options: ReplayBusOptions): ReplayBus {
  return {
    open(replay, listener) {
      assert(replay.speed > 0, "a capture is played forwards");
      const playback = new Playback(options, replay, listener);
      void options.readText(replay.file).then(
        (text) => playback.begin(options.parseCapture(text)),
        (error: NodeJS.ErrnoException) => playback.unreadable(error),
      );
      return playback;
    },
  };
}

type Replay = Parameters<ReplayBus["open"]>[0];
type Told = Extract<BusEvent, { type: "bytes" | "edge" | "reply" | "noReply" }>;
const TOLD: readonly BusEvent["type"][] = ["bytes", "edge", "reply", "noReply"];

interface Score {
  readonly settings: OpenedPort;
  readonly events: readonly Told[];
  readonly lengthMs: number;
}

interface Refusal {
  readonly code: PortFault;
  readonly detail: string;
  readonly remedy: string;
}

/** What of a capture can be played, or why it cannot. */
function scoreOf(capture: CaptureResult, file: string): Score | Refusal {
  if (!capture.ok) {
    const [first] = capture.problems;
    const where = first === undefined ? "" : `:${first.line}:${first.column} ${first.message}`;
    return { code: "settings", detail: `${file}${where}`, remedy: "Correct the capture, or record it again" };
  }
  const all = capture.file.steps.map(({ event }) => event);
  const events = all.filter((event): event is Told => TOLD.includes(event.type));
  if (events.length === 0) return { code: "settings", detail: `${file} holds nothing to play`, remedy: "Record it again" };
  const settings = all.find((event) => event.type === "opened")?.settings ?? {};
  return { settings, events, lengthMs: all.at(-1)?.atMs ?? 0 };
}

class Playback implements FieldPort {
  readonly #clock: ReplayBusOptions["clock"];
  readonly #replay: Replay;
  readonly #listener: PortListener;
  #isClosed = false;
  #cancel: Cancel | null = null;
  #startMs = 0;

  constructor({ clock }: ReplayBusOptions, replay: Replay, listener: PortListener) {
    this.#clock = clock;
    this.#replay = replay;
    this.#listener = listener;
  }

  unreadable({ code, message: detail }: NodeJS.ErrnoException): void {
    if (code === "ENOENT") this.#end({ code: "gone", detail, remedy: "Check the path of the capture" });
    else if (code === "EACCES") this.#end({ code: "permission", detail, remedy: "Let the user that runs Stoep read the capture" });
    else this.#end({ code: "io", detail, remedy: "Check that the capture is a file, of a size that can be played" });
  }

  begin(capture: CaptureResult): void {
    if (this.#isClosed) return;
    const score = scoreOf(capture, this.#replay.file);
    if ("code" in score) {
      this.#end(score);
      return;
    }
    this.#startMs = this.#clock.monotonicMs();
    this.#listener({ type: "opened", settings: score.settings });
    this.#play(score, 0, 0);
  }

  write(): void {
    // A capture does not listen.
  }

  signal(): void {
    // A capture has no control lines.
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  /** Tells what is due and waits for the next. Every time is counted from the start, so that late timers do not add up. */
  #play(score: Score, round: number, index: number): void {
    const { speed, repeat } = this.#replay;
    const roundMs = round * (score.lengthMs + REPEAT_GAP_MS);
    const dueMs = (inRoundMs: number): number => this.#startMs + (roundMs + inRoundMs) / speed;
    const { events } = score;
    let at = index;
    for (let event = events[at]; event !== undefined; event = events[at]) {
      const eventDueMs = dueMs(event.atMs);
      if (at - index === EVENTS_PER_TURN_MAX || eventDueMs > this.#clock.monotonicMs()) {
        this.#wait(eventDueMs, () => this.#play(score, round, at));
        return;
      }
      at++;
      this.#listener(portEvent(event, eventDueMs));
      if (this.#isClosed) return;
    }
    this.#wait(dueMs(score.lengthMs), () => {
      if (repeat) this.#play(score, round + 1, 0);
      else this.#end({ code: "ended", detail: "the capture is over", remedy: "Say repeat: true to play it again and again" });
    });
  }

  #wait(untilMs: number, then: () => void): void {
    this.#cancel = this.#clock.after(Math.max(0, untilMs - this.#clock.monotonicMs()), then);
  }

  #end(refusal: Refusal): void {
    if (this.#isClosed) return;
    this.close();
    this.#listener({ type: "closed", ...refusal });
  }
}

/** An edge is stamped with the time at which it was due: the distances between edges are those of the capture. */
function portEvent(event: Told, dueMs: number): PortEvent {
  switch (event.type) {
    case "bytes":
      return { type: "bytes", data: event.data };
    case "edge":
      return { type: "edge", line: event.line, rising: event.rising, atNs: BigInt(Math.round(dueMs * NS_PER_MS)) };
    case "reply":
      return { type: "reply", tag: event.tag, data: event.data, byteCount: event.data.byteLength };
    case "noReply": {
      const { atMs: _, ...told } = event;
      return told;
    }
  }
}
