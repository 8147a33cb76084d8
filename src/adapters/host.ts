import { access, readdir, readFile, statfs } from "node:fs/promises";
import { release } from "node:os";
import { join } from "node:path";
import type { Host } from "../ports/host.ts";
import { coreDumps, folderFacts, lowestAddress, parseSwaps, serialOf, systemName } from "./host-facts.ts";

/** What cannot be read is null: the caller decides what that means, and it never means "all is well". */
async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return null;
  }
}

/** Whether a kernel has no such file, as opposed to not letting us read it. */
async function readBackingDevice(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
    return absent ? null : "unreadable";
  }
}

/** Permanent addresses of interfaces that are hardware: those have a device, and addr_assign_type 0 (NET_ADDR_PERM, sysfs-class-net). */
async function physicalAddresses(net: string): Promise<readonly string[]> {
  const names = await readdir(net).catch(() => []);
  const addresses = await Promise.all(
    names.map(async (name) => {
      const isHardware = await access(join(net, name, "device")).then(
        () => true,
        () => false,
      );
      const assigned = await read(join(net, name, "addr_assign_type"));
      return isHardware && assigned?.trim() === "0" ? await read(join(net, name, "address")) : null;
    }),
  );
  return addresses.filter((address) => address !== null);
}

/** Facts from the files of the kernel. `root` stands before `/proc`, `/sys` and `/etc`; tests put their own there. */
export function createHost(root = "/"): Host {
  return {
    async folder(path) {
      try {
        return folderFacts(await statfs(path));
      } catch {
        return null;
      }
    },
    async swap() {
      const text = await read(join(root, "proc/swaps"));
      if (text === null) return null;
      const backing = new Map<string, string | null>();
      for (const [, zram = ""] of text.matchAll(/^\/dev\/(zram[0-9]+)\s/gm)) {
        backing.set(zram, await readBackingDevice(join(root, "sys/block", zram, "backing_dev")));
      }
      return parseSwaps(text, (zram) => backing.get(zram) ?? null);
    },
    async coreDumps() {
      const limits = await read(join(root, "proc/self/limits"));
      const pattern = await read(join(root, "proc/sys/kernel/core_pattern"));
      return coreDumps(limits ?? "", pattern ?? "");
    },
    async machine() {
      const serial = serialOf((await read(join(root, "proc/device-tree/serial-number"))) ?? "");
      if (serial !== null) return `serial ${serial}`;
      const address = lowestAddress(await physicalAddresses(join(root, "sys/class/net")));
      return address === null ? null : `address ${address}`;
    },
    residentBytes: () => process.memoryUsage.rss(),
    async versions() {
      const osRelease = (await read(join(root, "etc/os-release"))) ?? (await read(join(root, "usr/lib/os-release")));
      return { node: process.versions.node, kernel: release(), architecture: process.arch, system: systemName(osRelease ?? "") };
    },
  };
}
