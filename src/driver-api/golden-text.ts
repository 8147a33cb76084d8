/**
 * The words of the golden grammar: durations, bytes, numbers. `golden.md` is the specification.
 */

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const COUNT = /^\d{1,15}$/;
const NANOSECONDS_PER_MS = 1_000_000;

/** `1.5s` as milliseconds, to the nanosecond; null when it is no duration. */
export function parseDuration(text: string): number | null {
  const match = DURATION.exec(text);
  if (match === null) return null;
  const ms = Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS];
  return Math.round(ms * NANOSECONDS_PER_MS) / NANOSECONDS_PER_MS;
}

/** The shortest spelling in the largest whole unit: 90000 is `90s`, 60000 is `1m`, 0.5 is `0.5ms`. */
export function formatDuration(ms: number): string {
  const rounded = Math.round(ms * NANOSECONDS_PER_MS) / NANOSECONDS_PER_MS;
  for (const unit of ["h", "m", "s"] as const) {
    if (rounded !== 0 && rounded % UNITS_MS[unit] === 0) return `${rounded / UNITS_MS[unit]}${unit}`;
  }
  return `${rounded}ms`;
}

/** A number as JSON writes it; null when it is none. */
export function parseNumber(text: string): number | null {
  return NUMBER.test(text) ? Number(text) : null;
}

/** A whole number from 0; null when it is none. */
export function parseCount(text: string): number | null {
  return COUNT.test(text) ? Number(text) : null;
}

const isPrintable = (byte: number): boolean => byte >= 0x20 && byte <= 0x7e;
/** Fewer printable bytes than this in a row are easier to read as hex. */
const TEXT_RUN_MIN = 4;
const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, "0");
const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x0d, "\\r"],
  [0x0a, "\\n"],
  [0x09, "\\t"],
  [0x22, '\\"'],
  [0x5c, "\\\\"],
]);

/** Bytes as text where all of them are text, else as pairs of hex digits. */
export function formatBytes(bytes: Uint8Array): string {
  const isText = bytes.length >= TEXT_RUN_MIN && bytes.every((byte) => isPrintable(byte) || ESCAPES.has(byte));
  if (!isText) return Array.from(bytes, hex).join(" ");
  return `"${Array.from(bytes, (byte) => ESCAPES.get(byte) ?? String.fromCharCode(byte)).join("")}"`;
}

/** A mistake in a line: where (from 1) and what. */
export interface LineProblem {
  readonly column: number;
  readonly message: string;
}

/**
 * Reads one line from left to right. The first mistake is kept in `problem` and everything after it is an empty answer, so
 * that a grammar rule can be written straight down and ask once, at its end, whether it held.
 */
export class LineScanner {
  readonly #text: string;
  #at: number;
  problem: LineProblem | null = null;

  constructor(text: string, start = 0) {
    this.#text = text;
    this.#at = start;
  }

  /** True when only spaces are left. */
  get atEnd(): boolean {
    this.#skipSpaces();
    return this.problem !== null || this.#at >= this.#text.length;
  }

  fail(message: string, at: number = this.#at): void {
    this.problem ??= { column: at + 1, message };
  }

  /** The next run of characters without a space, or an empty string with a problem. */
  word(what: string): string {
    if (this.atEnd) {
      this.fail(`${what} is missing`);
      return "";
    }
    const start = this.#at;
    while (this.#at < this.#text.length && this.#text[this.#at] !== " ") this.#at++;
    return this.#text.slice(start, this.#at);
  }

  /** The next word without consuming it; empty at the end. */
  peek(): string {
    if (this.atEnd) return "";
    const end = this.#text.indexOf(" ", this.#at);
    return this.#text.slice(this.#at, end < 0 ? undefined : end);
  }

  /** The next word, translated; `expected` says what would have been right. */
  take<T>(what: string, expected: string, translate: (word: string) => T | null, otherwise: T): T {
    this.#skipSpaces();
    const start = this.#at;
    const word = this.word(what);
    const value = this.problem === null ? translate(word) : null;
    if (value === null) this.fail(`${what} must be ${expected}, got "${word}"`, start);
    return value ?? otherwise;
  }

  oneOf<const T extends string>(what: string, allowed: readonly T[]): T {
    const found = (word: string): T | null => allowed.find((each) => each === word) ?? null;
    return this.take(what, allowed.join(" or "), found, allowed[0] as T);
  }

  duration(what: string): number {
    return this.take(what, "a duration such as 120ms, 1.5s or 15m", parseDuration, 0);
  }

  /** Everything that is left, with the spaces around it cut off. */
  rest(what: string): string {
    if (this.atEnd) this.fail(`${what} is missing`);
    const text = this.#text.slice(this.#at).trimEnd();
    this.#at = this.#text.length;
    return this.problem === null ? text : "";
  }

  /** `key=` in front of a value that the next call reads. */
  prefix(text: string): boolean {
    if (this.atEnd || !this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** A JSON string. */
  jsonString(what: string): string {
    const match = /"(?:[^"\\]|\\.)*"/y;
    match.lastIndex = this.#at;
    const quoted = match.exec(this.#text)?.[0];
    if (quoted === undefined) {
      this.fail(`${what} must be a quoted string`);
      return "";
    }
    const start = this.#at;
    this.#at += quoted.length;
    try {
      return String(JSON.parse(quoted));
    } catch {
      this.fail(`${what} is not a JSON string`, start);
      return "";
    }
  }

  /** Hex pairs and quoted text in any mix, to the end of the line. */
  bytes(): Uint8Array {
    const bytes: number[] = [];
    while (!this.atEnd) {
      if (this.#text[this.#at] === '"') this.#quoted(bytes);
      else this.#hexPair(bytes);
    }
    return Uint8Array.from(bytes);
  }

  #skipSpaces(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }

  #hexPair(bytes: number[]): void {
    const pair = this.#text.slice(this.#at, this.#at + 2);
    if (!/^[0-9a-fA-F]{2}$/.test(pair)) this.fail(`expected two hex digits or quoted text, got "${pair}"`);
    bytes.push(Number.parseInt(pair, 16));
    this.#at += 2;
  }

  #quoted(bytes: number[]): void {
    const start = this.#at;
    for (this.#at++; this.#text[this.#at] !== '"'; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code)) this.fail("the quote is not closed", start);
      else if (!isPrintable(code)) this.fail("only printable ASCII stands between quotes; write \\xHH");
      if (this.problem !== null) return;
      bytes.push(code === 0x5c ? this.#escape() : code);
    }
    this.#at++;
  }

  /** Stands on the backslash; leaves on the last character of the escape. */
  #escape(): number {
    const digits = /\\x([0-9a-fA-F]{2})/y;
    digits.lastIndex = this.#at;
    const byte = digits.exec(this.#text)?.[1];
    if (byte !== undefined) {
      this.#at += 3;
      return Number.parseInt(byte, 16);
    }
    const pair = this.#text.slice(this.#at, this.#at + 2);
    for (const [code, spelling] of ESCAPES) {
      if (spelling !== pair) continue;
      this.#at += 1;
      return code;
    }
    this.fail(`unknown escape "${pair}"; known are \\r \\n \\t \\" \\\\ \\xHH`);
    return 0;
  }
}
