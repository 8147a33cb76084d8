import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, type TestContext } from "vitest";

const UNIT = join(import.meta.dirname, "../../systemd/stoep.service");
const unit = await readFile(UNIT, "utf8");

/** What `systemd-analyze` printed and its exit code, or null where it is not installed. */
function analyse(...args: string[]): Promise<{ readonly code: number; readonly printed: string } | null> {
  return new Promise((resolve, reject) => {
    execFile("systemd-analyze", args, { timeout: 20_000 }, (error, stdout, stderr) => {
      if (error?.code === "ENOENT") resolve(null);
      else if (error && typeof error.code !== "number") reject(error);
      else resolve({ code: Number(error?.code ?? 0), printed: stdout + stderr });
    });
  });
}

async function analysed(context: TestContext, ...args: string[]): Promise<{ readonly code: number; readonly printed: string }> {
  const answer = await analyse(...args);
  return answer ?? context.skip("systemd-analyze is not installed");
}

/** The values of a directive, in order; comments are not looked at. */
const values = (name: string): string[] =>
  unit.split("\n").flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));

describe("the unit file", () => {
  it("scores at most 2.0 of 10 in exposure", async (context) => {
    const { code, printed } = await analysed(context, "security", "--offline=true", "--threshold=20", UNIT);
    expect(printed).toContain("Overall exposure level for stoep.service");
    expect(code, printed).toBe(0);
  });

  it("would fail that gate if a hole were made in it", async (context) => {
    const directory = await mkdtemp(join(tmpdir(), "stoep-unit-"));
    try {
      const open = join(directory, "stoep.service");
      await writeFile(open, unit.replace(/^(ProtectSystem|SystemCallFilter|CapabilityBoundingSet|User|DevicePolicy)=.*$/gm, ""));
      expect((await analysed(context, "security", "--offline=true", "--threshold=20", open)).code).not.toBe(0);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("is understood by systemd without a warning", async (context) => {
    // `verify` also looks for the program: this Node stands in for the one of the installed machine.
    const directory = await mkdtemp(join(tmpdir(), "stoep-unit-"));
    try {
      const here = join(directory, "stoep.service");
      await writeFile(here, unit.replace("/usr/bin/node", process.execPath));
      const { code, printed } = await analysed(context, "verify", "--man=no", here);
      expect(printed.split("\n").filter((line) => line.includes("stoep.service"))).toEqual([]);
      expect(code, printed).toBe(0);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe("the unit file keeps what promises rest on", () => {
  it.each([
    ["P2: no core dump", "LimitCORE", ["0"]],
    ["P2: no swap for its pages", "MemorySwapMax", ["0"]],
    ["P2: readings live in /run and survive a restart, not a stop", "RuntimeDirectoryPreserve", ["restart"]],
    ["P2: /proc/swaps stays visible", "ProcSubset", []],
    ["P6: a wrong configuration is not retried for ever", "RestartPreventExitStatus", ["78"]],
    ["P6: anything else is", "StartLimitIntervalSec", ["0"]],
    ["P7: it waits for the network, never for time", "After", ["network.target"]],
    [
      "P7: it knows which boot this is",
      "Environment",
      ["STOEP_BOOT_ID=%b", "NODE_ENV=production", "MALLOC_ARENA_MAX=2", "MALLOC_MMAP_THRESHOLD_=131072"],
    ],
    ["P8: it listens on no port", "SocketBindDeny", ["any"]],
    ["nobody else reads its state", "StateDirectoryMode", ["0700"]],
  ])("%s", (_, directive, expected) => {
    expect(values(directive)).toEqual(expected);
  });

  it("starts Node with the small young generation that the memory promise needs", () => {
    expect(values("ExecStart")).toEqual([
      "/usr/bin/node --max-semi-space-size=1 --clear-free-memory /usr/lib/stoep/dist/src/cli/main.js run /etc/stoep/node.yaml",
    ]);
  });

  it("waits for the verdict of a reload of the file that it runs", () => {
    expect(values("ExecReload")).toEqual(["/usr/bin/node /usr/lib/stoep/dist/src/cli/main.js reload /etc/stoep/node.yaml"]);
  });
});
