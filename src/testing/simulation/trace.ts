/** Lines that are kept for people, of all that happened. */
const KEPT_MAX = 400;
/** Text that is digested at a time. */
const DIGEST_CHARACTERS = 64 * 1024;

/** What happened, a line each: the last ones as text, all of them as one digest. */
export class Trace {
  readonly #sha256: (text: string) => string;
  readonly #now: () => string;
  readonly #listener: ((line: string) => void) | null;
  #kept: string[] = [];
  #pending: string[] = [];
  #pendingCharacters = 0;
  #digest = "";
  #lines = 0;

  /** `now`: how the time of a line is written. `listener` hears every line. */
  constructor(sha256: (text: string) => string, now: () => string, listener: ((line: string) => void) | null = null) {
    this.#sha256 = sha256;
    this.#now = now;
    this.#listener = listener;
  }

  get lines(): number {
    return this.#lines;
  }

  say(what: string): void {
    const line = `${this.#now()}  ${what}`;
    this.#lines++;
    this.#listener?.(line);
    this.#kept.push(line);
    if (this.#kept.length > 2 * KEPT_MAX) this.#kept = this.#kept.slice(-KEPT_MAX);
    this.#pending.push(line);
    this.#pendingCharacters += line.length;
    if (this.#pendingCharacters >= DIGEST_CHARACTERS) this.#fold();
  }

  last(count: number): readonly string[] {
    return this.#kept.slice(-count);
  }

  /** Of all lines: two runs with the same digest did the same. */
  digest(): string {
    this.#fold();
    return this.#digest;
  }

  #fold(): void {
    this.#digest = this.#sha256([this.#digest, ...this.#pending].join("\n"));
    this.#pending = [];
    this.#pendingCharacters = 0;
  }
}
