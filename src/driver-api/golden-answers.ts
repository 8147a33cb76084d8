import { DIRECTIONS, type Direction, ROAD_USERS, type RoadUser } from "../core/reading/direction.ts";
import type { SerialSettings } from "../core/units/port.ts";
import type { DiscardReason, Passage, Quality, ReadingDetail, RequestBody, SessionSink } from "./driver.ts";
import { formatBytes, formatDuration, type LineScanner, parseCount, parseDuration, parseNumber } from "./golden-text.ts";

/** One call of the sink, as a value. */
export type Answer =
  | { readonly call: "reading"; readonly channel: string; readonly value: number | null; readonly detail: ReadingDetail }
  | { readonly call: "passage"; readonly channel: string; readonly passage: Passage }
  | { readonly call: "total"; readonly channel: string; readonly value: number; readonly modulus: number | null }
  | { readonly call: "identity"; readonly channel: string; readonly bytes: Uint8Array }
  | { readonly call: "request"; readonly tag: string; readonly body: RequestBody; readonly timeoutMs: number }
  | { readonly call: "write"; readonly data: Uint8Array }
  | { readonly call: "reopen"; readonly settings: SerialSettings }
  | { readonly call: "signal"; readonly name: "break" | "dtr" | "rts"; readonly on: boolean }
  | { readonly call: "expect"; readonly withinMs: number | null }
  | { readonly call: "about"; readonly facts: AboutFacts }
  | { readonly call: "timer"; readonly name: string; readonly afterMs: number | null }
  | { readonly call: "discard"; readonly reason: DiscardReason; readonly byteCount: number }
  | { readonly call: "fault"; readonly code: string; readonly retry: "reopen" | "never" };

type AboutFacts = Parameters<SessionSink["about"]>[0];
type Call = Answer["call"];

const QUALITIES = ["warming", "suspect"] as const;
const DISCARD_REASONS = ["noise", "checksum", "length", "syntax", "overflow", "stale", "unexpected"] as const satisfies DiscardReason[];
const TABLES = ["holding", "input", "coil", "discrete"] as const;
const SIGNALS = ["break", "dtr", "rts"] as const;
const FACTS = ["model", "firmware", "serial"] as const;
const NUMBER_FORM = "a number such as 12.5";

/** Turns what a session asks for into answers. Bytes are copied, since they are valid during the call only. */
export function recordingSink(record: (answer: Answer) => void): SessionSink {
  return {
    reading: (channel, value, detail) => record({ call: "reading", channel, value, detail: detail ?? {} }),
    passage: (channel, passage) => record({ call: "passage", channel, passage: { ...passage } }),
    total: (channel, value, detail) => record({ call: "total", channel, value, modulus: detail?.modulus ?? null }),
    identity: (channel, bytes) => record({ call: "identity", channel, bytes: bytes.slice() }),
    request: (tag, body, timeoutMs) => {
      record({ call: "request", tag, body: "data" in body ? { data: body.data.slice() } : body, timeoutMs });
    },
    write: (data) => record({ call: "write", data: data.slice() }),
    reopen: (settings) => record({ call: "reopen", settings }),
    signal: (name, on) => record({ call: "signal", name, on }),
    expect: (withinMs) => record({ call: "expect", withinMs }),
    about: (facts) => record({ call: "about", facts: { ...facts } }),
    timer: (name, afterMs) => record({ call: "timer", name, afterMs }),
    discard: (reason, byteCount) => record({ call: "discard", reason, byteCount }),
    fault: (code, retry) => record({ call: "fault", code, retry }),
  };
}

/** Neighbouring discards with the same reason as one, with the sum: how the bytes were cut must not show. */
export function mergeDiscards(answers: readonly Answer[]): Answer[] {
  const merged: Answer[] = [];
  for (const answer of answers) {
    const last = merged.at(-1);
    if (answer.call === "discard" && last?.call === "discard" && last.reason === answer.reason) {
      merged[merged.length - 1] = { ...last, byteCount: last.byteCount + answer.byteCount };
    } else merged.push(answer);
  }
  return merged;
}

const SERIAL_DEFAULTS = { dataBits: 8, parity: "none", stopBits: 1 } as const;
const PARITY_LETTERS = { none: "N", even: "E", odd: "O" } as const;

/** Line settings as `reopen` has them: `9600 8N1`. */
export const formatSerial = (settings: SerialSettings): string => `${settings.baudRate} ${formatFrame(settings)}`;

/** How a character goes over the line: `7E1` is seven bits, even parity, one stop bit. */
export function formatFrame(settings: SerialSettings): string {
  const { dataBits, parity, stopBits } = { ...SERIAL_DEFAULTS, ...settings };
  return `${dataBits}${PARITY_LETTERS[parity]}${stopBits}`;
}

function formatBody(body: RequestBody): string {
  if ("data" in body) return formatBytes(body.data);
  if ("file" in body) return `file=${body.file}`;
  const { table, address, count } = body.registers;
  return `registers=${table}:${address}:${count}`;
}

function formatAbout(facts: AboutFacts): string {
  const words = FACTS.flatMap((key) => (facts[key] === undefined ? [] : [`${key}=${JSON.stringify(facts[key])}`]));
  return [...words, ...(facts.hours === undefined ? [] : [`hours=${facts.hours}`])].join(" ");
}

const words = (...parts: readonly (string | false | undefined)[]): string => parts.filter(Boolean).join(" ");
const orNull = (ms: number | null): string => (ms === null ? "null" : formatDuration(ms));

/** One answer as its line of a golden file, without the leading `> `. Two answers are equal when their lines are. */
export function formatAnswer(answer: Answer): string {
  switch (answer.call) {
    case "reading": {
      const { quality = "ok", coversMs } = answer.detail;
      const covers = coversMs !== undefined && `covers=${formatDuration(coversMs)}`;
      return words("reading", answer.channel, String(answer.value), quality !== "ok" && quality, covers);
    }
    case "passage": {
      const { direction, class: roadUser, speedKmh } = answer.passage;
      return words("passage", answer.channel, direction, roadUser, speedKmh !== undefined && `speed=${speedKmh}`);
    }
    case "total":
      return words("total", answer.channel, String(answer.value), answer.modulus !== null && `modulus=${answer.modulus}`);
    case "identity":
      return words("identity", answer.channel, formatBytes(answer.bytes));
    case "request":
      return words("request", answer.tag, `timeout=${formatDuration(answer.timeoutMs)}`, formatBody(answer.body));
    case "write":
      return words("write", formatBytes(answer.data));
    case "reopen":
      return words("reopen", formatSerial(answer.settings));
    case "signal":
      return words("signal", answer.name, answer.on ? "on" : "off");
    case "expect":
      return words("expect", orNull(answer.withinMs));
    case "about":
      return words("about", formatAbout(answer.facts));
    case "timer":
      return words("timer", answer.name, orNull(answer.afterMs));
    case "discard":
      return words("discard", answer.reason, String(answer.byteCount));
    case "fault":
      return words("fault", answer.code, answer.retry);
  }
}

/** How each answer is read, from the word after its name on. */
const ANSWER_RULES: { readonly [Name in Call]: (line: LineScanner) => Answer } = {
  reading: (line) => {
    const channel = line.word("the channel");
    const value = line.take<number | string>(
      "the value",
      `${NUMBER_FORM} or null`,
      (word) => (word === "null" ? word : parseNumber(word)),
      0,
    );
    const quality: { quality?: Quality } = QUALITIES.some((each) => each === line.peek())
      ? { quality: line.oneOf("the quality", QUALITIES) }
      : {};
    const covers: { coversMs?: number } = line.prefix("covers=") ? { coversMs: line.duration("covers") } : {};
    return { call: "reading", channel, value: typeof value === "number" ? value : null, detail: { ...quality, ...covers } };
  },
  passage: (line) => {
    const channel = line.word("the channel");
    const passage: { direction?: Direction; class?: RoadUser; speedKmh?: number } = {};
    if (DIRECTIONS.some((each) => each === line.peek())) passage.direction = line.oneOf("the direction", DIRECTIONS);
    if (ROAD_USERS.some((each) => each === line.peek())) passage.class = line.oneOf("the class", ROAD_USERS);
    if (line.prefix("speed=")) passage.speedKmh = line.take("the speed", NUMBER_FORM, parseNumber, 0);
    return { call: "passage", channel, passage };
  },
  total: (line) => {
    const channel = line.word("the channel");
    const value = line.take("the value", NUMBER_FORM, parseNumber, 0);
    const modulus = line.prefix("modulus=") ? line.take("the modulus", NUMBER_FORM, parseNumber, 0) : null;
    return { call: "total", channel, value, modulus };
  },
  identity: (line) => ({ call: "identity", channel: line.word("the channel"), bytes: line.bytes() }),
  request: (line) => {
    const tag = line.word("the tag");
    if (!line.prefix("timeout=")) line.fail("timeout= is missing");
    return { call: "request", tag, timeoutMs: line.duration("the timeout"), body: parseBody(line) };
  },
  write: (line) => ({ call: "write", data: line.bytes() }),
  reopen: (line) => {
    const baudRate = line.take("the baud rate", "a whole number", parseCount, 0);
    return { call: "reopen", settings: parseFrame(line, baudRate) };
  },
  signal: (line) => ({ call: "signal", name: line.oneOf("the signal", SIGNALS), on: line.oneOf("the state", ["on", "off"]) === "on" }),
  expect: (line) => ({ call: "expect", withinMs: durationOrNull(line, "the rhythm") }),
  about: (line) => {
    const facts: { model?: string; firmware?: string; serial?: string; hours?: number } = {};
    for (const key of FACTS) if (line.prefix(`${key}=`)) facts[key] = line.jsonString(key);
    if (line.prefix("hours=")) facts.hours = line.take("the hours", NUMBER_FORM, parseNumber, 0);
    return { call: "about", facts };
  },
  timer: (line) => ({ call: "timer", name: line.word("the name"), afterMs: durationOrNull(line, "the delay") }),
  discard: (line) => ({
    call: "discard",
    reason: line.oneOf("the reason", DISCARD_REASONS),
    byteCount: line.take("the number of bytes", "a whole number", parseCount, 0),
  }),
  fault: (line) => ({ call: "fault", code: line.word("the code"), retry: line.oneOf("the retry", ["reopen", "never"]) }),
};

const CALLS = Object.keys(ANSWER_RULES) as Call[];

/** Reads one answer; `line` stands after the `>`. Mistakes are in `line.problem`. */
export function parseAnswer(line: LineScanner): Answer {
  return ANSWER_RULES[line.oneOf("the answer", CALLS)](line);
}

function durationOrNull(line: LineScanner, what: string): number | null {
  const parse = (word: string): number | "null" | null => (word === "null" ? "null" : parseDuration(word));
  const value = line.take<number | "null">(what, "a duration such as 3s, or null", parse, "null");
  return value === "null" ? null : value;
}

/** Reads `7E1`. */
export const parseFrame = (line: LineScanner, baudRate: number): SerialSettings =>
  line.take("the frame", "written as 8N1", (word) => frameOf(baudRate, word), { baudRate });

function frameOf(baudRate: number, word: string): SerialSettings | null {
  const match = /^([78])([NEO])([12])$/.exec(word);
  if (match === null) return null;
  const parity = match[2] === "N" ? "none" : match[2] === "E" ? "even" : "odd";
  return { baudRate, dataBits: match[1] === "7" ? 7 : 8, parity, stopBits: match[3] === "2" ? 2 : 1 };
}

function parseBody(line: LineScanner): RequestBody {
  if (line.prefix("file=")) return { file: line.rest("the file") };
  if (!line.prefix("registers=")) return { data: line.bytes() };
  const parse = (word: string): RequestBody | null => {
    const match = /^([a-z]+):(\d{1,5}):(\d{1,5})$/.exec(word);
    const table = TABLES.find((each) => each === match?.[1]);
    return match && table ? { registers: { table, address: Number(match[2]), count: Number(match[3]) } } : null;
  };
  return line.take("registers", "TABLE:ADDRESS:COUNT such as holding:0:2", parse, { data: new Uint8Array() });
}
