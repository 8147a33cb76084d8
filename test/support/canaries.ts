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

  *#inBinary(hay: Buffer): Iterable<string> {
    if (this.#numbers.size === 0) return;
    const hasLong = (value: number): boolean => Math.abs(value) >= SHORT_BELOW && this.#numbers.has(Math.abs(value));
    for (let at = 0; at + 4 <= hay.length; at++) {
      // What SQLite can write in 4 or 6 bytes it does not write in 8 (sqlite.org/fileformat2.html §2.1).
      if (hasLong(hay.readInt32BE(at))) yield `${hay.readInt32BE(at)} as int32, highest byte first`;
      if (hasLong(hay.readInt32LE(at))) yield `${hay.readInt32LE(at)} as int32, lowest byte first`;
      if (at + 8 > hay.length) continue;
      if (hasLong(hay.readIntBE(at, 6))) yield `${hay.readIntBE(at, 6)} as int48, highest byte first`;
      if (hasLong(hay.readIntLE(at, 6))) yield `${hay.readIntLE(at, 6)} as int48, lowest byte first`;
      if (this.#numbers.has(Math.abs(hay.readDoubleLE(at)))) yield `${hay.readDoubleLE(at)} as float64, lowest byte first`;
      if (this.#numbers.has(Math.abs(hay.readDoubleBE(at)))) yield `${hay.readDoubleBE(at)} as float64, highest byte first`;
    }
  }
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
