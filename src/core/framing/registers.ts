import { COUNT_MAX, type RegisterRange, type RegisterTable } from "./modbus-rtu.ts";

/** How a number lies in 16-bit registers: unsigned, signed or IEEE 754 floating point, of so many bits. */
export type RegisterType = "u16" | "s16" | "u32" | "s32" | "u64" | "s64" | "f32" | "f64";

/**
 * The order of the bytes of a number on the line. `abcd`: the high byte first; `cdab`: the low word first; `badc`: high word first, the
 * bytes of each word swapped; `dcba`: the low byte first. With 64 bits the same, of four words.
 */
export type WordOrder = "abcd" | "cdab" | "badc" | "dcba";

/** Registers that a number takes. */
export const REGISTER_WIDTH: Readonly<Record<RegisterType, number>> = { u16: 1, s16: 1, u32: 2, s32: 2, f32: 2, u64: 4, s64: 4, f64: 4 };

/** The bytes of a number, high byte first. */
function ordered(data: Uint8Array, start: number, byteCount: number, order: WordOrder): DataView {
  const bytes = new Uint8Array(byteCount);
  bytes.set(data.subarray(start, start + byteCount));
  if (order === "cdab" || order === "dcba") bytes.reverse();
  // Of reversed bytes the words stand right, and their bytes do not.
  if (order === "cdab" || order === "badc") {
    for (let at = 0; at < byteCount; at += 2) [bytes[at], bytes[at + 1]] = [bytes[at + 1] as number, bytes[at] as number];
  }
  return new DataView(bytes.buffer);
}

/**
 * The number that begins at a register of the answer. `register` counts from the first one of the answer; registers that are not there
 * read as 0. Of 64-bit whole numbers the last bits are lost beyond 2^53.
 */
export function registerNumber(data: Uint8Array, register: number, type: RegisterType, order: WordOrder = "abcd"): number {
  const view = ordered(data, register * 2, REGISTER_WIDTH[type] * 2, order);
  switch (type) {
    case "u16":
      return view.getUint16(0);
    case "s16":
      return view.getInt16(0);
    case "u32":
      return view.getUint32(0);
    case "s32":
      return view.getInt32(0);
    case "u64":
      return Number(view.getBigUint64(0));
    case "s64":
      return Number(view.getBigInt64(0));
    case "f32":
      return view.getFloat32(0);
    case "f64":
      return view.getFloat64(0);
  }
}

/** Addresses of one table: AP §4.4. */
const ADDRESSES = 65_536;
const TABLES: readonly RegisterTable[] = ["coil", "discrete", "input", "holding"];

/** Something that stands somewhere in a unit. */
export interface Placed {
  readonly registers: RegisterRange;
}

/** Neighbours that are read with one question. */
export interface PollGroup<Item> {
  readonly registers: RegisterRange;
  readonly items: readonly Item[];
}

/**
 * Joins what can be read with one question: of one table, with no more than `gapMax` registers or bits between that are read in vain, and
 * no more than `countMax` in all. In the order of tables and addresses.
 */
export function pollGroups<Item extends Placed>(
  items: readonly Item[],
  { gapMax, countMax }: { readonly gapMax: number; readonly countMax: number },
): readonly PollGroup<Item>[] {
  const groups: { registers: RegisterRange; items: Item[] }[] = [];
  const placed = (item: Item): number => TABLES.indexOf(item.registers.table) * ADDRESSES + item.registers.address;
  for (const item of items.toSorted((a, b) => placed(a) - placed(b))) {
    const { table, address, count } = item.registers;
    const last = groups.at(-1);
    const end = last === undefined ? 0 : last.registers.address + last.registers.count;
    const joinedCount = last === undefined ? 0 : Math.max(end, address + count) - last.registers.address;
    const fits = last?.registers.table === table && address - end <= gapMax && joinedCount <= Math.min(countMax, COUNT_MAX[table]);
    if (last === undefined || !fits) groups.push({ registers: item.registers, items: [item] });
    else {
      last.items.push(item);
      last.registers = { ...last.registers, count: joinedCount };
    }
  }
  return groups;
}
