import type { OpenedPort } from "../core/units/port.ts";
import { monotonicMs } from "../core/units/time.ts";
import type { BusEvent } from "./driver.ts";
import { type Answer, formatAnswer, formatFrame, parseAnswer, parseFrame } from "./golden-answers.ts";
import { formatBytes, formatDuration, LineScanner, parseCount } from "./golden-text.ts";

export { type Answer, formatAnswer, formatSerial, mergeDiscards, recordingSink } from "./golden-answers.ts";

/** The first line of every golden file and capture. */
export const GOLDEN_HEADER = "# stoep-golden 1";
const OPTIONS_COMMENT = "# options ";

/** One event and what the driver must answer to it. A capture has no answers. */
export interface GoldenStep {
  /** Line of the event in the file, from 1. */
  readonly line: number;
  readonly event: BusEvent;
  readonly expected: readonly Answer[];
}

/** A golden file or a capture, read. Times count from 0 at the start of the file. */
export interface GoldenFile {
  /** The driver's options as the file states them; `{}` when it does not. */
  readonly options: unknown;
  readonly steps: readonly GoldenStep[];
}

/** A mistake in a file; line and column count from 1. */
export interface GoldenProblem {
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

export type GoldenResult =
  | { readonly ok: true; readonly file: GoldenFile }
  | { readonly ok: false; readonly problems: readonly GoldenProblem[] };

/** Reads a golden file or a capture. Every mistake is reported, in the order of the lines. */
export function parseGolden(text: string): GoldenResult {
  const reader = new GoldenReader();
  const lines = text.split("\n");
  for (const [index, line] of lines.entries()) reader.line(index + 1, line.endsWith("\r") ? line.slice(0, -1) : line);
  return reader.problems.length > 0
    ? { ok: false, problems: reader.problems }
    : { ok: true, file: { options: reader.options, steps: reader.steps } };
}

class GoldenReader {
  readonly problems: GoldenProblem[] = [];
  readonly steps: { line: number; event: BusEvent; expected: Answer[] }[] = [];
  options: unknown = {};
  #atMs = 0;

  line(number: number, text: string): void {
    if (number === 1) {
      if (text.trimEnd() !== GOLDEN_HEADER) this.#problem(1, 1, `the first line must be "${GOLDEN_HEADER}"`);
    } else if (text.startsWith("#")) this.#comment(number, text);
    else if (text.startsWith("+")) this.#event(number, text);
    else if (text.startsWith(">")) this.#answer(number, text);
    else if (text.trim() !== "") this.#problem(number, 1, 'a line starts with "#", "+" or ">"');
  }

  #problem(line: number, column: number, message: string): void {
    this.problems.push({ line, column, message });
  }

  #comment(number: number, text: string): void {
    if (!text.startsWith(OPTIONS_COMMENT)) return;
    if (this.steps.length > 0) this.#problem(number, 1, "options stand before the first event");
    try {
      this.options = JSON.parse(text.slice(OPTIONS_COMMENT.length));
    } catch {
      this.#problem(number, OPTIONS_COMMENT.length + 1, "options are not JSON");
    }
  }

  #event(number: number, text: string): void {
    const line = new LineScanner(text, 1);
    const sinceMs = line.duration("the time since the event before");
    const event = parseEvent(line, Math.round((this.#atMs + sinceMs) * 1e6) / 1e6);
    if (!this.#finish(number, line)) return;
    this.#atMs = event.atMs;
    this.steps.push({ line: number, event, expected: [] });
  }

  #answer(number: number, text: string): void {
    const line = new LineScanner(text, 1);
    const answer = parseAnswer(line);
    const step = this.steps.at(-1);
    if (step === undefined) line.fail("an answer stands below its event", 0);
    if (this.#finish(number, line)) step?.expected.push(answer);
  }

  #finish(number: number, line: LineScanner): boolean {
    if (!line.atEnd) line.fail(`nothing is expected here, got "${line.peek()}"`);
    if (line.problem !== null) this.#problem(number, line.problem.column, line.problem.message);
    return line.problem === null;
  }
}

const EVENT_WORDS = ["open", "<", "edge", "reply", "noReply", "timer", "closed"] as const;
const NANOSECONDS_PER_MS = 1e6;

/** Reads an event; `line` stands after the time. */
function parseEvent(line: LineScanner, at: number): BusEvent {
  const atMs = monotonicMs(at);
  const word = line.oneOf("the event", EVENT_WORDS);
  switch (word) {
    case "open":
      return { type: "opened", atMs, settings: parseOpened(line) };
    case "<":
      return { type: "bytes", atMs, data: line.bytes() };
    case "edge": {
      const name = line.word("the line");
      const rising = line.oneOf("the edge", ["rising", "falling"]) === "rising";
      return { type: "edge", atMs, line: name, rising, atNs: BigInt(Math.round(at * NANOSECONDS_PER_MS)) };
    }
    case "reply":
      return { type: "reply", atMs, tag: line.word("the tag"), data: line.bytes() };
    case "noReply": {
      const tag = line.word("the tag");
      const reason = line.oneOf("the reason", ["timeout", "exception", "busy"]);
      const coded = reason === "exception" && !line.atEnd;
      const code = coded ? line.take("the code", "a whole number", parseCount, 0) : null;
      return { type: "noReply", atMs, tag, reason, ...(code === null ? {} : { code }) };
    }
    case "timer":
      return { type: "timer", atMs, name: line.word("the name") };
    case "closed":
      return { type: "closed", atMs, reason: line.rest("the reason") };
  }
}

/** Left out where a port is opened. */
const USUAL_FRAME = "8N1";

const LEVELS: Readonly<Record<string, boolean | null>> = { high: true, low: false, unknown: null };

function parseOpened(line: LineScanner): OpenedPort {
  const lines: Record<string, { high: boolean | null }> = {};
  let serial: OpenedPort["serial"];
  while (!line.atEnd) {
    if (line.prefix("baud=")) {
      const baudRate = line.take("the baud rate", "a whole number", parseCount, 0);
      serial = line.prefix("frame=") ? parseFrame(line, baudRate) : { baudRate };
      continue;
    }
    const [name = "", level = ""] = line.take("a GPIO line", "written as NAME=high, low or unknown", splitLevel, ["", ""]);
    lines[name] = { high: LEVELS[level] ?? null };
  }
  return { ...(serial ? { serial } : {}), ...(Object.keys(lines).length > 0 ? { lines } : {}) };
}

function splitLevel(word: string): string[] | null {
  const parts = word.split("=");
  return parts.length === 2 && parts[0] !== "" && Object.hasOwn(LEVELS, parts[1] ?? "") ? parts : null;
}

function formatOpened({ serial, lines }: OpenedPort): string {
  const level = (high: boolean | null): string => (high === null ? "unknown" : high ? "high" : "low");
  const words = Object.entries(lines ?? {}).map(([name, { high }]) => ` ${name}=${level(high)}`);
  const frame = serial === undefined ? USUAL_FRAME : formatFrame(serial);
  const line = serial === undefined ? "" : ` baud=${serial.baudRate}${frame === USUAL_FRAME ? "" : ` frame=${frame}`}`;
  return `open${line}${words.join("")}`;
}

function formatEventBody(event: BusEvent): string {
  switch (event.type) {
    case "opened":
      return formatOpened(event.settings);
    case "bytes":
      return `< ${formatBytes(event.data)}`;
    case "edge":
      return `edge ${event.line} ${event.rising ? "rising" : "falling"}`;
    case "reply":
      return `reply ${event.tag} ${formatBytes(event.data)}`;
    case "noReply":
      return `noReply ${event.tag} ${event.reason}${event.code === undefined ? "" : ` ${event.code}`}`;
    case "timer":
      return `timer ${event.name}`;
    case "closed":
      return `closed ${event.reason}`;
  }
}

/** One event as its line of a golden file; `sinceMs` is the time since the event before. */
export function formatEvent(event: BusEvent, sinceMs: number): string {
  return `+${formatDuration(sinceMs)} ${formatEventBody(event)}`;
}

/** A whole file as text, in the spelling that `parseGolden` reads back. */
export function formatGolden(file: GoldenFile): string {
  const lines = [GOLDEN_HEADER];
  if (JSON.stringify(file.options) !== "{}") lines.push(`${OPTIONS_COMMENT}${JSON.stringify(file.options)}`);
  let atMs = 0;
  for (const { event, expected } of file.steps) {
    lines.push(formatEvent(event, event.atMs - atMs), ...expected.map((answer) => `> ${formatAnswer(answer)}`));
    atMs = event.atMs;
  }
  return `${lines.join("\n")}\n`;
}
