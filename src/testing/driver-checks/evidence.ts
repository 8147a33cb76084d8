import { findQuantity } from "../../core/reading/quantity.ts";
import type { BusEvent, ChannelSpec, Driver, Session } from "../../driver-api/driver.ts";
import { type Answer, type GoldenFile, parseGolden, recordingSink } from "../../driver-api/golden.ts";

/** A file of the driver's folder: its name without the path, and its text. */
export interface NamedText {
  readonly name: string;
  readonly text: string;
}

/** What is known about a driver besides its code. */
export interface Evidence {
  /** Conversations with their answers, `golden/*.txt`. */
  readonly golden: readonly NamedText[];
  /** Conversations without answers, `captures/*`. */
  readonly captures: readonly NamedText[];
  /** Captures of other drivers: this one must not understand them, unless it is generic. */
  readonly foreignCaptures: readonly NamedText[];
  readonly seed: number;
  /** How many random events are thrown at the driver. */
  readonly randomInputs?: number;
  /** How many bytes a round of the search for leaks feeds; below some 500,000 the collector drowns it. 0 leaves it out. */
  readonly memoryBytes?: number;
}

/** One thing that is wrong with a driver. */
export interface Finding {
  readonly check: "declaration" | "golden" | "passage" | "unknown-event" | "noise" | "random" | "memory" | "foreign" | "line";
  /** The file and line, or the part of the driver. */
  readonly where: string;
  readonly message: string;
}

/** One file, read, with the options it gives already checked by the driver. */
export interface Conversation {
  readonly name: string;
  readonly file: GoldenFile;
  readonly options: unknown;
  readonly channels: readonly ChannelSpec[];
}

/** Reads files; what cannot be read or whose options the driver refuses is a finding. */
export function readConversations(driver: Driver, files: readonly NamedText[], findings: Finding[]): Conversation[] {
  return files.flatMap(({ name, text }) => {
    const result = parseGolden(text);
    if (!result.ok) {
      for (const { line, column, message } of result.problems)
        findings.push({ check: "golden", where: `${name}:${line}:${column}`, message });
      return [];
    }
    const options = driver.options.safeParse(result.file.options);
    if (!options.success) {
      findings.push({ check: "golden", where: name, message: `the driver refuses the options: ${options.error.message}` });
      return [];
    }
    return [{ name, file: result.file, options: options.data, channels: driver.channels(options.data) }];
  });
}

/** A session whose answers are collected and whose exceptions are values. */
export class Subject {
  readonly #session: Session;
  #answers: Answer[] = [];
  readonly #sink = recordingSink((answer) => this.#answers.push(answer));

  constructor(driver: Driver, options: unknown) {
    this.#session = driver.start(options);
  }

  /** What the session answers to one event, or what it threw. */
  tell(event: BusEvent): { readonly answers: readonly Answer[]; readonly thrown: string | null } {
    this.#answers = [];
    try {
      this.#session.handle(event, this.#sink);
      return { answers: this.#answers, thrown: null };
    } catch (error) {
      return { answers: this.#answers, thrown: String(error) };
    }
  }
}

const DATA_CALLS: readonly Answer["call"][] = ["reading", "passage", "total", "identity"];

/** Answers that say something about the world, as opposed to the device or the bytes. */
export const isData = (answer: Answer): boolean => DATA_CALLS.includes(answer.call);

const isPositive = (value: number): boolean => Number.isFinite(value) && value > 0;

/** Why an answer could never be right, or null. */
export function answerProblem(answer: Answer, channels: readonly ChannelSpec[]): string | null {
  switch (answer.call) {
    case "reading":
    case "passage":
    case "total":
    case "identity": {
      const channel = channels.find(({ name }) => name === answer.channel);
      return channel === undefined ? `channel "${answer.channel}" is not declared` : dataProblem(answer, channel);
    }
    case "discard":
      return Number.isInteger(answer.byteCount) && answer.byteCount > 0 ? null : `discards ${answer.byteCount} bytes`;
    case "expect":
      return answer.withinMs === null || isPositive(answer.withinMs) ? null : `expects something within ${answer.withinMs} ms`;
    case "timer":
      return answer.afterMs === null || answer.afterMs === 0 || isPositive(answer.afterMs) ? null : `sets a timer to ${answer.afterMs} ms`;
    case "request":
      return isPositive(answer.timeoutMs) ? null : `asks with a timeout of ${answer.timeoutMs} ms`;
    default:
      return null;
  }
}

function dataProblem(answer: Answer, channel: ChannelSpec): string | null {
  const kind = findQuantity(channel.quantity)?.kind;
  const isOfKind = (...kinds: readonly string[]): boolean => kind === undefined || kinds.includes(kind);
  switch (answer.call) {
    case "reading":
      if (!isOfKind("gauge", "level", "direction", "counter", "state")) return `${channel.name} is a ${kind}, not one value`;
      if (answer.value !== null && !Number.isFinite(answer.value)) return `${channel.name} is ${answer.value}`;
      return answer.detail.coversMs === undefined || isPositive(answer.detail.coversMs) ? null : `covers ${answer.detail.coversMs} ms`;
    case "passage": {
      const { direction, class: roadUser, speedKmh } = answer.passage;
      const { directions, classes } = channel.cells ?? {};
      if (!isOfKind("passage")) return `${channel.name} is a ${kind}, not passages`;
      if (directions && (direction === undefined || !directions.includes(direction))) return `direction ${direction} is no declared cell`;
      if (classes && (roadUser === undefined || !classes.includes(roadUser))) return `class ${roadUser} is no declared cell`;
      return speedKmh === undefined || (Number.isFinite(speedKmh) && speedKmh >= 0) ? null : `a speed of ${speedKmh} km/h`;
    }
    case "total":
      if (!isOfKind("counter")) return `${channel.name} is a ${kind}, not a counter`;
      return Number.isFinite(answer.value) ? null : `${channel.name} is ${answer.value}`;
    case "identity":
      return isOfKind("identity") ? null : `${channel.name} is a ${kind}, not identifiers`;
    default:
      return null;
  }
}
