import type { WatchedChannel, WatchHead, WatchLine } from "../runtime/watch-lines.ts";

// How `stoep watch` puts what it is told into words.

/** What was last heard of one channel. */
interface Heard {
  readonly says: string;
  readonly note: string;
  readonly atMs: number;
}

const NOTHING_YET = "-";
/** float64 has 15 to 17 digits that count; what a calibration adds behind them is dust. */
const DIGITS = 10;

const numberText = (value: number): string => String(Number(value.toPrecision(DIGITS)));

/** A value with its unit; a state by its name. */
export function valueText(value: number | null, channel: WatchedChannel | undefined): string {
  if (value === null) return NOTHING_YET;
  const unit = channel?.unit ?? "1";
  return channel?.states[value] ?? `${numberText(value)}${unit === "1" ? "" : ` ${unit}`}`;
}

/** The part of a line that says what was heard, with its channel; null where a line is not about one. */
function heardIn(line: WatchLine, channels: ReadonlyMap<string, WatchedChannel>): { channel: string; says: string; note: string } | null {
  switch (line.is) {
    case "reading":
      return { channel: line.channel, says: valueText(line.value, channels.get(line.channel)), note: line.note ?? "ok" };
    case "total":
      return { channel: line.channel, says: `${valueText(line.value, channels.get(line.channel))} in all`, note: "ok" };
    case "passage": {
      const speed = line.speedKmh === null ? [] : [`${numberText(line.speedKmh)} km/h`];
      const parts = [line.direction, line.class, ...speed].filter((part) => part !== null);
      return { channel: line.channel, says: parts.join(" ") || "somebody", note: "ok" };
    }
    default:
      return null;
  }
}

/** What was not used, in words; empty when there is nothing. */
export function unusedText({ bytes, readings }: Extract<WatchLine, { is: "unused" }>): string {
  const said = [
    ...Object.entries(bytes).map(([reason, count]) => `${count} byte${count === 1 ? "" : "s"} ${reason}`),
    ...Object.entries(readings).map(([reason, count]) => `${count} reading${count === 1 ? "" : "s"} ${reason}`),
  ];
  return said.join(", ");
}

/** One line for a log or a pipe; null for what has no place there. */
export function plainLine(line: WatchLine, channels: ReadonlyMap<string, WatchedChannel>): string | null {
  const heard = heardIn(line, channels);
  if (heard !== null && "at" in line) return `${line.at}  ${heard.channel.padEnd(CHANNEL_WIDTH)}  ${heard.says}  ${heard.note}`;
  switch (line.is) {
    case "state":
      return `${line.state}${line.trouble === null || line.trouble === line.state ? "" : ` (${line.trouble})`}`;
    case "unused":
      return `not used since the beginning: ${unusedText(line)}`;
    case "fault":
      return `${line.at}  the driver says: ${line.code}`;
    case "lost":
      return `${line.edges} edges were lost before they reached the node`;
    case "gap":
      return `${line.lines} lines are missing here: they came faster than they were read`;
    default:
      return null;
  }
}

const CHANNEL_WIDTH = 16;

/** The latest of every channel, as a table that is written again and again. */
export class WatchTable {
  readonly #head: WatchHead;
  readonly #channels: ReadonlyMap<string, WatchedChannel>;
  readonly #heard = new Map<string, Heard>();
  readonly #beganMs: number;
  #state = "";
  #unused = "";
  #fault = "";
  #missing = 0;
  #lostEdges = 0;

  constructor(head: WatchHead, nowMs: number) {
    this.#head = head;
    this.#channels = new Map(head.channels.map((channel) => [channel.name, channel]));
    this.#beganMs = nowMs;
  }

  hear(line: WatchLine, nowMs: number): void {
    const heard = heardIn(line, this.#channels);
    if (heard !== null) this.#heard.set(heard.channel, { says: heard.says, note: heard.note, atMs: nowMs });
    else if (line.is === "state") this.#state = plainLine(line, this.#channels) ?? "";
    else if (line.is === "unused") this.#unused = unusedText(line);
    else if (line.is === "fault") this.#fault = line.code;
    else if (line.is === "gap") this.#missing += line.lines;
    else if (line.is === "lost") this.#lostEdges += line.edges;
  }

  /** As it is now. No line is longer than `widthMax`. */
  lines(nowMs: number, widthMax: number): readonly string[] {
    const { sensor, driver, forMs } = this.#head;
    const leftS = Math.max(0, Math.ceil((forMs - (nowMs - this.#beganMs)) / 1_000));
    const rows = [["channel", "value", "age", "quality"], ...this.#rows(nowMs)];
    const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
    const facts = [
      ...(this.#fault === "" ? [] : [`the driver says: ${this.#fault}`]),
      ...(this.#unused === "" ? [] : [`not used: ${this.#unused}`]),
      ...(this.#lostEdges === 0 ? [] : [`lost before they reached the node: ${this.#lostEdges} edges`]),
      ...(this.#missing === 0 ? [] : [`not shown, because they came too fast: ${this.#missing} lines`]),
    ];
    return [
      `${sensor} (${driver}), ${this.#state}; ${Math.floor(leftS / 60)} min ${leftS % 60} s left, Ctrl-C ends`,
      ...rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd()),
      ...facts,
    ].map((text) => text.slice(0, widthMax));
  }

  #rows(nowMs: number): readonly (readonly string[])[] {
    const declared = this.#head.channels.map(({ name }) => name);
    const others = [...this.#heard.keys()].filter((name) => !this.#channels.has(name));
    return [...declared, ...others].map((name) => {
      if (this.#channels.get(name)?.kind === "identity") return [name, "identifiers are never shown", "", ""];
      const heard = this.#heard.get(name);
      if (heard === undefined) return [name, NOTHING_YET, "", ""];
      return [name, heard.says, `${Math.floor((nowMs - heard.atMs) / 1_000)} s`, heard.note];
    });
  }
}
