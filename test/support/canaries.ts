import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { databaseFiles } from "../../src/adapters/sqlite/database.ts";

/** Whole numbers below this are too short in binary to be told from chance; they are looked for as text and in the rows of tables. */
const SHORT_BELOW = 2 ** 24;

/** Megabytes of random bytes, in which any number stands by chance. */
const BALLAST = "node.ballast";

/** One way in which a text or an identifier may stand somewhere. */
interface Needle {
  readonly canary: string;
  readonly as: string;
  readonly bytes: Buffer;
}

/** Things that must not be found any more, and the ways in which they could be written. What is compressed or encrypted is not found. */
export class Canaries {
  readonly #needles: Needle[] = [];
  /** Without their sign. */
  readonly #numbers = new Set<number>();
  /** Those numbers in binary, by two of their bytes. */
  #binary: readonly (readonly Marked[] | undefined)[] | null = null;

  /** Text as it came in, whole. */
  text(canary: string): this {
    const bytes = Buffer.from(canary);
    this.#add(canary, "utf8", bytes);
    this.#add(canary, "utf16", Buffer.from(canary, "utf16le"));
    this.#add(canary, "hex", Buffer.from(bytes.toString("hex")));
    this.#add(canary, "base64", base64Of(bytes));
    return this;
  }

  /** Numbers: in digits, and in binary in both byte orders, whatever their sign. */
  number(...values: readonly number[]): this {
    for (const value of values) this.#numbers.add(Math.abs(value));
    this.#binary = null;
    return this;
  }

  /** An identifier: raw, and as people write it. */
  identifier(bytes: Uint8Array): this {
    const canary = Buffer.from(bytes).toString("hex");
    this.#add(canary, "bytes", Buffer.from(bytes));
    this.#add(canary, "bytes in the other order", Buffer.from(bytes).reverse());
    for (const separator of ["", ":", "-"]) {
      const text = (canary.match(/../g) ?? []).join(separator);
      for (const written of [text, text.toUpperCase()]) {
        this.#add(canary, "hex", Buffer.from(written));
        this.#add(canary, "hex, utf16", Buffer.from(written, "utf16le"));
      }
    }
    this.#add(canary, "base64", base64Of(Buffer.from(bytes)));
    return this;
  }

  /** What of it stands in some bytes: `canary as encoding`, each once. */
  in(bytes: Buffer | string): readonly string[] {
    const hay = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    return [...new Set([...this.inText(hay), ...this.#inBinary(hay)])];
  }

  /** The same without numbers in binary, for what is known to be text, and much. */
  inText(hay: Buffer): readonly string[] {
    const found = this.#needles.filter((needle) => hay.includes(needle.bytes)).map(({ canary, as }) => `${canary} as ${as}`);
    return [...new Set([...found, ...this.#inDigits(hay)])];
  }

  /** The same, of every file in a folder and below; named by file. */
  inFiles(folder: string): readonly string[] {
    return readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(folder, name)).isFile() && !name.endsWith(BALLAST))
      .flatMap((name) => this.in(readFileSync(join(folder, name))).map((found) => `${name}: ${found}`));
  }

  /** The same, of every value in every table of a database, also in those of SQLite itself. Reads a copy. */
  inTables(path: string): readonly string[] {
    return rowsOf(path).flatMap(({ table, column, value }) => {
      const found = typeof value === "number" ? (this.#numbers.has(Math.abs(value)) ? [`${value}`] : []) : this.in(value);
      return found.map((canary) => `${table}.${column}: ${canary}`);
    });
  }

  #add(canary: string, as: string, bytes: Buffer): void {
    this.#needles.push({ canary, as, bytes });
  }

  *#inDigits(hay: Buffer): Iterable<string> {
    if (this.#numbers.size === 0) return;
    const text = hay.toString("latin1");
    // Two-byte text is read as well, by leaving its zeros out.
    for (const written of [text, text.replaceAll("\0", "")]) {
      for (const [token] of written.matchAll(/\d+(?:\.\d+)?/g)) if (this.#numbers.has(Number(token))) yield `${token} as digits`;
    }
  }

  /** At every place; looked up by two of its bytes, for there are hundreds of needles and millions of places. */
  *#inBinary(hay: Buffer): Iterable<string> {
    if (this.#numbers.size === 0) return;
    this.#binary ??= byMark([...this.#numbers].flatMap(binaryNeedles));
    for (let at = 0; at + 1 < hay.length; at++) {
      const marked = this.#binary[((hay[at] as number) << 8) | (hay[at + 1] as number)];
      if (marked === undefined) continue;
      for (const { needle, mark } of marked) {
        const from = at - mark;
        const end = from + needle.bytes.length;
        const isThere = from >= 0 && end <= hay.length && hay.compare(needle.bytes, 0, needle.bytes.length, from, end) === 0;
        if (isThere) yield `${needle.canary} as ${needle.as}`;
      }
    }
  }
}

/** A number and its negative, in the ways in which SQLite and V8 write one. */
function binaryNeedles(number: number): readonly Needle[] {
  return [number, -number].flatMap((value) => {
    const needle = (as: string, length: number, write: (bytes: Buffer) => unknown): Needle => {
      const bytes = Buffer.alloc(length);
      write(bytes);
      return { canary: `${value}`, as, bytes };
    };
    const doubles = [
      needle("float64, lowest byte first", 8, (bytes) => bytes.writeDoubleLE(value)),
      needle("float64, highest byte first", 8, (bytes) => bytes.writeDoubleBE(value)),
    ];
    // What SQLite can write in 4 or 6 bytes it does not write in 8 (sqlite.org/fileformat2.html §2.1).
    const isWhole = Number.isInteger(value) && number >= SHORT_BELOW;
    const ints = [4, 6].filter((length) => isWhole && number < 2 ** (8 * length - 1));
    return [
      ...doubles,
      ...ints.flatMap((length) => [
        needle(`int${8 * length}, highest byte first`, length, (bytes) => bytes.writeIntBE(value, 0, length)),
        needle(`int${8 * length}, lowest byte first`, length, (bytes) => bytes.writeIntLE(value, 0, length)),
      ]),
    ];
  });
}

/** A needle, and where in it the two bytes are by which it is looked up. */
interface Marked {
  readonly needle: Needle;
  readonly mark: number;
}

function byMark(needles: readonly Needle[]): readonly (readonly Marked[] | undefined)[] {
  const index: Marked[][] = new Array(2 ** 16);
  for (const needle of needles) {
    const mark = markOf(needle.bytes);
    const pair = needle.bytes.readUInt16BE(mark);
    index[pair] = [...(index[pair] ?? []), { needle, mark }];
  }
  return index;
}

/** Two bytes that are rare: most of a file are zeros. */
function markOf(bytes: Buffer): number {
  const isCommon = (byte: number | undefined): boolean => byte === 0 || byte === 0xff;
  const pairs = Array.from({ length: bytes.length - 1 }, (_, at) => at);
  const rare = pairs.find((at) => !isCommon(bytes[at]) && !isCommon(bytes[at + 1]));
  return rare ?? pairs.find((at) => !isCommon(bytes[at]) || !isCommon(bytes[at + 1])) ?? 0;
}

/** Without the end, which depends on what follows. At other offsets in a longer text it would look otherwise. */
const base64Of = (bytes: Buffer): Buffer => Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 3)).toString("base64"));

interface Cell {
  readonly table: string;
  readonly column: string;
  readonly value: number | string | Buffer;
}

function rowsOf(path: string): readonly Cell[] {
  const folder = mkdtempSync(join(tmpdir(), "stoep-copy-"));
  const copy = join(folder, "copy.db");
  const copies = databaseFiles(copy);
  for (const [index, file] of databaseFiles(path).entries()) if (existsSync(file)) copyFileSync(file, copies[index] as string);
  const db = new Database(copy);
  try {
    const tables = db.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all();
    return ["sqlite_schema", ...tables].flatMap((table) =>
      db
        .prepare<[], Readonly<Record<string, number | string | Buffer | null>>>(`SELECT * FROM ${table}`)
        .all()
        .flatMap((row) => Object.entries(row).flatMap(([column, value]) => (value === null ? [] : [{ table, column, value }]))),
    );
  } finally {
    db.close();
    rmSync(folder, { recursive: true });
  }
}
