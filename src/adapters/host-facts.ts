import type { CoreDumps, FolderFacts, SwapArea } from "../ports/host.ts";

/** File system types of statfs(2) whose bytes live in memory: linux/magic.h TMPFS_MAGIC and RAMFS_MAGIC. */
const MEMORY_FILE_SYSTEMS: readonly number[] = [0x01021994, 0x858458f6];

/** Answer of statfs(2), as Node gives it. */
export interface FileSystemStat {
  readonly type: number;
  /** Size of a block, bytes. */
  readonly bsize: number;
  /** Blocks free to an unprivileged process. */
  readonly bavail: number;
}

/** On a 32-bit system the type can arrive as a negative number. */
export function folderFacts(stat: FileSystemStat): FolderFacts {
  return { on: MEMORY_FILE_SYSTEMS.includes(stat.type >>> 0) ? "memory" : "disk", freeBytes: stat.bavail * stat.bsize };
}

/**
 * The areas of /proc/swaps: a heading, then `name type size used priority`, with spaces in the name written `\040`.
 * `backingDevice` is /sys/block/<zram>/backing_dev of one area: a zram with write-back moves idle pages to that device, which
 * is what Raspberry Pi OS 13 sets up (rpi-swap, mechanism `zram+file`). `none`, or null where the kernel cannot do it: memory.
 * Null: this is not /proc/swaps.
 */
export function parseSwaps(text: string, backingDevice: (zram: string) => string | null): readonly SwapArea[] | null {
  const [heading, ...rows] = text.split("\n");
  if (!heading?.startsWith("Filename")) return null;
  const areas: SwapArea[] = [];
  for (const row of rows) {
    const [field] = row.split(/\s+/, 1);
    if (!field) continue;
    const name = field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    const zram = /^\/dev\/(zram[0-9]+)$/.exec(name)?.[1];
    const inMemory = zram !== undefined && (backingDevice(zram) ?? "none").trim() === "none";
    areas.push({ name, on: inMemory ? "memory" : "disk" });
  }
  return areas;
}

/**
 * Whether a crash of this process can leave its memory behind: core(5) and fs/coredump.c of the kernel. A file is written up to the soft
 * limit, and none at all below a page. A handler (`|program`) is called at any limit but 1, which the kernel takes for "none": it sets
 * it for the handlers themselves. Of the handlers only systemd-coredump is known to keep nothing at limit 0. A socket (`@path`, Linux
 * 6.16) is like a handler, but nothing is known to end it.
 */
export function coreDumps(limits: string, pattern: string): CoreDumps {
  const softLimit = /^Max core file size\s+(\S+)/m.exec(limits)?.[1];
  const target = pattern.trim();
  if (softLimit === undefined || target === "") return "unknown";
  if (target.startsWith("@")) return "possible";
  if (softLimit === "1") return "off";
  if (softLimit !== "0") return "possible";
  if (!target.startsWith("|")) return "off";
  return /^\|(\S*\/)?systemd-coredump(\s|$)/.test(target) ? "off" : "possible";
}

/** The serial number of a device tree, which ends with a zero byte; null when it says nothing (QEMU and some boards have zeros). */
export function serialOf(text: string): string | null {
  const serial = text.replace(/\0+$/, "").trim();
  return /[1-9a-z]/i.test(serial) ? serial.toLowerCase() : null;
}

/** The first in order of the addresses that a manufacturer gave (IEEE 802: bit 1 of the first byte is 0, and it is no group); or null. */
export function lowestAddress(addresses: readonly string[]): string | null {
  const isGiven = (address: string): boolean =>
    /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(address) &&
    !/^(00:)+00$/.test(address) &&
    (Number.parseInt(address.slice(0, 2), 16) & 0b11) === 0;
  return (
    addresses
      .map((address) => address.trim().toLowerCase())
      .filter(isGiven)
      .sort()[0] ?? null
  );
}

/** PRETTY_NAME of os-release(5), or null. */
export function systemName(osRelease: string): string | null {
  return /^PRETTY_NAME=(?:"([^"\n]*)"|'([^'\n]*)'|([^\s"'#]+))/m.exec(osRelease)?.slice(1).find(Boolean) ?? null;
}
