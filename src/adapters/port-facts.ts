import { constants } from "node:fs";
import { access, readdir, readFile, readlink, realpath, stat } from "node:fs/promises";
import { join } from "node:path";

/** What can be known about the path of a serial port without opening it, which would disturb whoever has it open. */
export interface PathFacts {
  /** The device behind the path, links followed; null when there is none. */
  readonly device: string | null;
  readonly isCharacterDevice: boolean;
  /** Whether this user may read and write it. */
  readonly isOurs: boolean;
  /** Group that the device belongs to, by name, or its number. */
  readonly group: string | null;
  /** Other processes that hold it, `name (pid)`; only those that this user may look at. */
  readonly holders: readonly string[];
  /** Whether the kernel writes its console to it. */
  readonly isConsole: boolean;
}

/** Asks the kernel about a path. `root` stands before `/proc` and `/etc`. Never throws. */
export async function pathFacts(path: string, root = "/"): Promise<PathFacts> {
  const device = await realpath(path).catch(() => null);
  if (device === null) return { device, isCharacterDevice: false, isOurs: false, group: null, holders: [], isConsole: false };
  const [facts, isOurs, groups, commandLine] = await Promise.all([
    stat(device).catch(() => null),
    access(device, constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    ),
    readFile(join(root, "etc/group"), "utf8").catch(() => ""),
    readFile(join(root, "proc/cmdline"), "utf8").catch(() => ""),
  ]);
  return {
    device,
    isCharacterDevice: facts?.isCharacterDevice() ?? false,
    isOurs,
    group: facts === null ? null : groupName(groups, facts.gid),
    holders: await holdersOf(device, join(root, "proc")),
    isConsole: consolesOf(commandLine).includes(device),
  };
}

/** Name of a group in group(5). */
function groupName(text: string, gid: number): string {
  const line = text.split("\n").find((entry) => entry.split(":")[2] === String(gid));
  return line?.split(":")[0] ?? String(gid);
}

/** Devices that the kernel command line names as a console: `console=ttyAMA0,115200`; `serial0` is an alias on a Raspberry Pi. */
export function consolesOf(commandLine: string): readonly string[] {
  return [...commandLine.matchAll(/(?:^|\s)console=([^\s,]+)/g)].map(([, name]) => `/dev/${name}`);
}

async function holdersOf(device: string, proc: string): Promise<readonly string[]> {
  const pids = (await readdir(proc).catch(() => [])).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const holders = await Promise.all(
    pids.map(async (pid) => {
      const descriptors = await readdir(join(proc, pid, "fd")).catch(() => []);
      const targets = await Promise.all(descriptors.map((name) => readlink(join(proc, pid, "fd", name)).catch(() => "")));
      if (!targets.includes(device)) return [];
      const name = (await readFile(join(proc, pid, "comm"), "utf8").catch(() => "?")).trim();
      return [`${name} (${pid})`];
    }),
  );
  return holders.flat();
}
