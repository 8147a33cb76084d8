import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createHost } from "../../../src/adapters/host.ts";
import { coreDumps, folderFacts, lowestAddress, parseSwaps, serialOf, systemName } from "../../../src/adapters/host-facts.ts";

const HEADING = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
const noBacking = (): null => null;

describe("where a folder's bytes go", () => {
  it.each([
    ["tmpfs", 0x01021994, "memory"],
    ["ramfs", 0x858458f6, "memory"],
    ["ramfs on a 32-bit system, where the type is negative", 0x858458f6 | 0, "memory"],
    ["ext4", 0xef53, "disk"],
    ["overlayfs, whatever it stands on", 0x794c7630, "disk"],
  ])("%s", (_, type, on) => {
    expect(folderFacts({ type, bsize: 4_096, bavail: 10 })).toEqual({ on, freeBytes: 40_960 });
  });
});

describe("swap areas", () => {
  it("are none when only the heading is there", () => {
    expect(parseSwaps(HEADING, noBacking)).toEqual([]);
  });

  it("are on disk when they are files or partitions, as on a stock Raspberry Pi OS 12", () => {
    const text = `${HEADING}/var/swap                               file\t\t524284\t\t0\t\t-2\n/dev/mmcblk0p3 partition\t1\t0\t-3\n`;
    expect(parseSwaps(text, noBacking)).toEqual([
      { name: "/var/swap", on: "disk" },
      { name: "/dev/mmcblk0p3", on: "disk" },
    ]);
  });

  it("are in memory when they are zram, unless zram writes back to a device, as on Raspberry Pi OS 13", () => {
    const text = `${HEADING}/dev/zram0 partition\t2097136\t0\t100\n/dev/zram1 partition\t2097136\t0\t100\n/dev/zram2 partition\t1\t0\t1\n`;
    const backing: Record<string, string | null> = { zram0: "none\n", zram1: "/dev/loop0\n", zram2: null };
    expect(parseSwaps(text, (zram) => backing[zram] ?? null)).toEqual([
      { name: "/dev/zram0", on: "memory" },
      { name: "/dev/zram1", on: "disk" },
      { name: "/dev/zram2", on: "memory" },
    ]);
  });

  it("are on disk when the name only looks like zram", () => {
    const text = `${HEADING}/var/zram0 file 1 0 1\n/dev/zram0\\040(deleted) file 1 0 1\n`;
    expect(parseSwaps(text, noBacking)).toEqual([
      { name: "/var/zram0", on: "disk" },
      { name: "/dev/zram0 (deleted)", on: "disk" },
    ]);
  });

  it("are unknown when the text is not /proc/swaps", () => {
    expect(parseSwaps("", noBacking)).toBeNull();
    expect(parseSwaps("/dev/zram0 partition 1 0 1\n", noBacking)).toBeNull();
  });
});

describe("core dumps", () => {
  const limits = (soft: string): string =>
    `Limit                Soft Limit      Hard Limit      Units\nMax core file size   ${soft}     unlimited     bytes\n`;

  it.each([
    ["limit 0, to a file", "0", "core\n", "off"],
    ["limit 0, to systemd-coredump, which keeps nothing then", "0", "|/usr/lib/systemd/systemd-coredump %P %u\n", "off"],
    ["limit 0, to a handler that the kernel calls all the same", "0", "|/usr/share/apport/apport -p%p\n", "possible"],
    ["limit 1, which the kernel takes for none, to any handler", "1", "|/usr/share/apport/apport -p%p\n", "off"],
    ["limit 1, to a file: less than a page", "1", "core\n", "off"],
    ["limit 0, to a socket", "0", "@/run/coredump.socket\n", "possible"],
    ["limit 1, to a socket that is asked first", "1", "@@/run/coredump.socket\n", "possible"],
    ["a limit above 1", "1024", "core\n", "possible"],
    ["no limit", "unlimited", "core\n", "possible"],
    ["no pattern", "0", "", "unknown"],
  ])("%s", (_, soft, pattern, expected) => {
    expect(coreDumps(limits(soft), pattern)).toBe(expected);
  });

  it("are unknown without limits", () => {
    expect(coreDumps("", "core")).toBe("unknown");
  });
});

describe("the name of the system", () => {
  it.each([
    ['PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nNAME="Debian"\n', "Debian GNU/Linux 13 (trixie)"],
    ["NAME=x\nPRETTY_NAME='Raspbian'\n", "Raspbian"],
    ["PRETTY_NAME=Alpine\n", "Alpine"],
    ["NAME=x\n", null],
    ["", null],
  ])("of %j is %j", (text, name) => {
    expect(systemName(text)).toBe(name);
  });
});

describe("the name of a machine", () => {
  it("is its serial number, which is none when it is all zeros", () => {
    expect(serialOf("10000000ABCDEF12\0")).toBe("10000000abcdef12");
    expect(serialOf("0000000000000000\0")).toBeNull();
    expect(serialOf("")).toBeNull();
  });

  it("is the lowest address that a manufacturer gave", () => {
    expect(lowestAddress(["dc:a6:32:01:02:03\n", "b8:27:eb:00:00:01\n"])).toBe("b8:27:eb:00:00:01");
    // Made up at random, for a group, of the loopback, no address at all.
    expect(lowestAddress(["02:fc:00:00:00:01", "01:00:5e:00:00:01", "00:00:00:00:00:00", "none"])).toBeNull();
    expect(lowestAddress([])).toBeNull();
  });
});

describe("the host on a machine of files", () => {
  let root: string;
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "stoep-host-"));
  });
  afterEach(async () => {
    await rm(root, { recursive: true, force: true });
  });

  it("cannot tell swap or core dumps when /proc is hidden, and does not say that there is none", async () => {
    const host = createHost(root);
    expect(await host.swap()).toBeNull();
    expect(await host.coreDumps()).toBe("unknown");
  });

  it("has no name when nothing says one, and takes the serial number before an address", async () => {
    const host = createHost(root);
    expect(await host.machine()).toBeNull();
    await put("sys/class/net/eth0/address", "b8:27:eb:00:00:01\n");
    await put("sys/class/net/eth0/addr_assign_type", "0\n");
    expect(await host.machine(), "no hardware: a bridge, a container").toBeNull();
    await put("sys/class/net/eth0/device/uevent", "");
    expect(await host.machine()).toBe("address b8:27:eb:00:00:01");
    await put("sys/class/net/eth0/addr_assign_type", "3\n");
    expect(await host.machine(), "set by somebody").toBeNull();
    await put("proc/device-tree/serial-number", "10000000abcdef12\0");
    expect(await host.machine()).toBe("serial 10000000abcdef12");
  });

  it("finds the write-back of zram", async () => {
    await put("proc/swaps", `${HEADING}/dev/zram0 partition 2097136 0 100\n`);
    await put("sys/block/zram0/backing_dev", "/dev/loop0\n");
    expect(await createHost(root).swap()).toEqual([{ name: "/dev/zram0", on: "disk" }]);
  });

  it("takes a backing device that it may not read for a disk", async () => {
    await put("proc/swaps", `${HEADING}/dev/zram0 partition 2097136 0 100\n`);
    // A folder in its place fails with EISDIR: not "no such file".
    await mkdir(join(root, "sys/block/zram0/backing_dev"), { recursive: true });
    expect(await createHost(root).swap()).toEqual([{ name: "/dev/zram0", on: "disk" }]);
  });

  it("takes zram of a kernel without write-back for memory", async () => {
    await put("proc/swaps", `${HEADING}/dev/zram0 partition 2097136 0 100\n`);
    expect(await createHost(root).swap()).toEqual([{ name: "/dev/zram0", on: "memory" }]);
  });

  it("reads the core limit and the name of the system", async () => {
    await put("proc/self/limits", "Max core file size        0                    0                    bytes\n");
    await put("proc/sys/kernel/core_pattern", "core\n");
    await put("usr/lib/os-release", 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n');
    const host = createHost(root);
    expect(await host.coreDumps()).toBe("off");
    expect(await host.versions()).toMatchObject({ node: process.versions.node, system: "Debian GNU/Linux 13 (trixie)" });
  });

  it("knows no folder that is not there", async () => {
    expect(await createHost(root).folder(join(root, "nowhere"))).toBeNull();
    expect((await createHost(root).folder(root))?.freeBytes).toBeGreaterThan(0);
  });
});
