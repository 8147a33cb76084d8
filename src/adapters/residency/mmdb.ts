import { type FileHandle, open } from "node:fs/promises";
import { assert } from "../../core/assert.ts";
import type { IpAddress } from "../../core/residency/ip-address.ts";

// Reads MMDB files (MaxMind DB File Format Specification 2.0) from the file itself, a few bytes at a time: `mmdb-lib` wants them whole in
// memory, 13 MB for a look-up an hour in a process that is promised to be small (ADR 0018). It is the oracle in the tests instead.

/** Spec, "Database Metadata": the marker begins the last 128 KiB, at the most. */
const METADATA_BYTES_MAX = 128 * 1024;
const METADATA_MARKER = Buffer.from("\xab\xcd\xefMaxMind.com", "latin1");
/** Spec, "Data Section Separator". */
const SEPARATOR_BYTES = 16;
/** Longest record that is read. Those of country databases have some twenty bytes. */
const RECORD_BYTES_MAX = 4_096;
const DEPTH_MAX = 8;

/** The file is not what it should be. */
export class MmdbError extends Error {
  readonly code = "MMDB_DAMAGED";
}

/** An open database. */
export interface Mmdb {
  /** When it was made, ms since 1970. */
  readonly madeMs: number;
  /** What it has for an address; null: nothing. Rejects with `MmdbError` on a file that is damaged. */
  find(address: IpAddress): Promise<unknown>;
  close(): Promise<void>;
}

interface Layout {
  readonly nodeCount: number;
  readonly recordBits: 24 | 28 | 32;
  readonly ipVersion: 4 | 6;
  readonly madeMs: number;
}

/** Opens a database. Rejects when it cannot be read or is none. */
export async function openMmdb(path: string): Promise<Mmdb> {
  const file = await open(path, "r");
  try {
    const layout = await readLayout(file);
    return {
      madeMs: layout.madeMs,
      find: (address) => find(file, layout, address),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function bytesAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

async function readLayout(file: FileHandle): Promise<Layout> {
  const { size } = await file.stat();
  const tailBytes = Math.min(size, METADATA_BYTES_MAX);
  const tail = await bytesAt(file, size - tailBytes, tailBytes);
  const marker = tail.lastIndexOf(METADATA_MARKER);
  if (marker < 0) throw new MmdbError("is no MMDB file: it has no metadata");
  const metadata = new Decoder(tail.subarray(marker + METADATA_MARKER.length)).value(0).value;
  const field = (name: string): number => {
    const value = typeof metadata === "object" && metadata !== null ? (metadata as Record<string, unknown>)[name] : undefined;
    if (typeof value !== "number") throw new MmdbError(`its metadata has no ${name}`);
    return value;
  };
  const [recordBits, ipVersion, nodeCount] = [field("record_size"), field("ip_version"), field("node_count")];
  if (recordBits !== 24 && recordBits !== 28 && recordBits !== 32) throw new MmdbError(`has records of ${recordBits} bits`);
  if (ipVersion !== 4 && ipVersion !== 6) throw new MmdbError(`is for IP version ${ipVersion}`);
  if ((nodeCount * recordBits) / 4 > size) throw new MmdbError("is cut off");
  return { recordBits, ipVersion, nodeCount, madeMs: field("build_epoch") * 1_000 };
}

/** Spec, "Binary Search Tree Section": a step a bit; IPv4 addresses stand below 96 zeros in a tree of IPv6. */
async function find(file: FileHandle, layout: Layout, { bytes }: IpAddress): Promise<unknown> {
  const { nodeCount, recordBits, ipVersion } = layout;
  if (ipVersion === 4 && bytes.length !== 4) return null;
  const path = ipVersion === 6 && bytes.length === 4 ? [...Array<number>(12).fill(0), ...bytes] : bytes;
  const nodeBytes = recordBits / 4;
  let node = 0;
  for (let bit = 0; bit < path.length * 8 && node < nodeCount; bit++) {
    const record = await bytesAt(file, node * nodeBytes, nodeBytes);
    if (record.length < nodeBytes) throw new MmdbError("is cut off");
    node = branch(record, recordBits, (((path[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) as 0 | 1);
  }
  if (node === nodeCount) return null;
  if (node < nodeCount) throw new MmdbError("its tree has no end");
  const treeBytes = nodeCount * nodeBytes;
  const section = treeBytes + SEPARATOR_BYTES;
  return recordAt(file, section, node - nodeCount - SEPARATOR_BYTES);
}

function branch(node: Buffer, recordBits: Layout["recordBits"], side: 0 | 1): number {
  if (recordBits === 24) return node.readUIntBE(side * 3, 3);
  if (recordBits === 32) return node.readUInt32BE(side * 4);
  const middle = node[3] ?? 0;
  // 28 bits: the byte in the middle has the four highest of each.
  return side === 0 ? ((middle & 0xf0) << 20) | node.readUIntBE(0, 3) : ((middle & 0x0f) << 24) | node.readUIntBE(4, 3);
}

/** The record at `at` of the data section. What it points to is fetched when it is met: pointers lead backwards, to anywhere. */
async function recordAt(file: FileHandle, section: number, at: number): Promise<unknown> {
  const parts = new Map<number, Buffer>();
  for (let fetches = 0; fetches < DEPTH_MAX * 2; fetches++) {
    parts.set(at, await bytesAt(file, section + at, RECORD_BYTES_MAX));
    const start = [...parts.keys()][0] ?? at;
    const first = parts.get(start);
    assert(first !== undefined, "the record was fetched first");
    const missing = { at: -1 };
    const value = new Decoder(first, start, (pointer) => {
      const known = [...parts].find(([from, bytes]) => pointer >= from && pointer < from + bytes.length / 2);
      if (known !== undefined) return { bytes: known[1], offset: known[0] };
      missing.at = pointer;
      return null;
    }).value(start).value;
    if (missing.at < 0) return value;
    at = missing.at;
  }
  throw new MmdbError("a record points too far");
}

interface Decoded {
  readonly value: unknown;
  readonly next: number;
}

type Fetch = (pointer: number) => { readonly bytes: Buffer; readonly offset: number } | null;

/** Spec, "Output Data Section": a control byte with type and size, then the payload. */
class Decoder {
  readonly #bytes: Buffer;
  /** Where in the section the bytes begin. */
  readonly #offset: number;
  readonly #fetch: Fetch;

  constructor(bytes: Buffer, offset = 0, fetch: Fetch = () => null) {
    this.#bytes = bytes;
    this.#offset = offset;
    this.#fetch = fetch;
  }

  value(at: number, depth = 0): Decoded {
    if (depth > DEPTH_MAX) throw new MmdbError("a record is nested too deeply");
    const control = this.#byte(at);
    let type = control >> 5;
    let next = at + 1;
    if (type === 1) return this.#pointer(control, next, depth);
    if (type === 0) {
      type = 7 + this.#byte(next);
      next++;
    }
    const length = this.#length(control & 0x1f, next);
    return this.#payload(type, length.value, length.next, depth);
  }

  #byte(at: number): number {
    const byte = this.#bytes[at - this.#offset];
    if (byte === undefined) throw new MmdbError("a record is cut off or too long");
    return byte;
  }

  #uint(at: number, length: number): number {
    let value = 0;
    for (let index = 0; index < length; index++) value = value * 256 + this.#byte(at + index);
    return value;
  }

  #length(size: number, next: number): { readonly value: number; readonly next: number } {
    // Sizes of 29 and more stand in the next one, two or three bytes.
    const extra = Math.max(0, size - 28);
    if (extra === 0) return { value: size, next };
    return { value: ([0, 29, 285, 65_821][extra] ?? 0) + this.#uint(next, extra), next: next + extra };
  }

  #pointer(control: number, next: number, depth: number): Decoded {
    const bytes = ((control >> 3) & 3) + 1;
    const base = [0, 0, 2_048, 526_336, 0][bytes] ?? 0;
    const high = bytes === 4 ? 0 : (control & 7) * 256 ** bytes;
    const pointer = base + high + this.#uint(next, bytes);
    const there = this.#fetch(pointer);
    const value = there === null ? undefined : new Decoder(there.bytes, there.offset, this.#fetch).value(pointer, depth + 1).value;
    return { value, next: next + bytes };
  }

  #payload(type: number, length: number, at: number, depth: number): Decoded {
    switch (type) {
      case 2: // UTF-8 string
        this.#byte(at + Math.max(0, length - 1));
        return { value: this.#bytes.toString("utf8", at - this.#offset, at - this.#offset + length), next: at + length };
      case 5: // unsigned integers of 16, 32 and 64 bits, without leading zeros
      case 6:
      case 9:
        return { value: this.#uint(at, length), next: at + length };
      case 7:
        return this.#map(length, at, depth);
      case 11:
        return this.#array(length, at, depth);
      case 14: // a boolean is its length
        return { value: length !== 0, next: at };
      default: // doubles, bytes and the like: not what we look for
        return { value: null, next: at + length };
    }
  }

  #map(pairs: number, at: number, depth: number): Decoded {
    const entries: [string, unknown][] = [];
    let next = at;
    for (let index = 0; index < pairs; index++) {
      const key = this.value(next, depth + 1);
      const value = this.value(key.next, depth + 1);
      if (typeof key.value === "string") entries.push([key.value, value.value]);
      next = value.next;
    }
    return { value: Object.fromEntries(entries), next };
  }

  #array(count: number, at: number, depth: number): Decoded {
    const values: unknown[] = [];
    let next = at;
    for (let index = 0; index < count; index++) {
      const value = this.value(next, depth + 1);
      values.push(value.value);
      next = value.next;
    }
    return { value: values, next };
  }
}
