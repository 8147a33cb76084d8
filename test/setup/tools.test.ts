import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

interface Tool {
  readonly program: string;
  readonly required: boolean;
}

interface ToolsModule {
  readonly TOOLS: readonly Tool[];
  missingTools(tools: readonly Tool[], folders: readonly string[]): Tool[];
  decide(missing: readonly Tool[], machine: { root: boolean; apt: boolean }): { install: string[]; message: string | null; fails: boolean };
}

// It runs before anything is compiled, so it is JavaScript; the types are stated here.
const { TOOLS, missingTools, decide } = (await import(new URL("./tools.mjs", import.meta.url).href)) as ToolsModule;

describe("the tools that tests need", () => {
  it("are found in any folder of the path when they can be executed", () => {
    const folder = mkdtempSync(join(tmpdir(), "stoep-tools-"));
    try {
      writeFileSync(join(folder, "mosquitto"), "");
      chmodSync(join(folder, "mosquitto"), 0o755);
      const missing = missingTools(TOOLS, ["/nowhere", folder]).map(({ program }) => program);
      expect(missing).toEqual(["socat", "openssl", "gpiomon", "strace", "faketime", "systemd-analyze"]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("are installed by root on Debian, except systemd itself", () => {
    expect(decide(TOOLS, { root: true, apt: true })).toEqual({
      install: ["mosquitto", "socat", "openssl", "gpiod", "strace", "faketime"],
      message: null,
      fails: false,
    });
  });

  it.each([
    ["not root", { root: false, apt: true }],
    ["not Debian", { root: true, apt: false }],
  ])("stop the tests with the command to type: %s", (_, machine) => {
    const decision = decide(TOOLS, machine);
    expect(decision).toMatchObject({ install: [], fails: true });
    expect(decision.message).toContain("mosquitto: the broker of the integration tests");
    expect(decision.message).toContain("sudo apt-get install mosquitto socat openssl gpiod strace faketime");
  });

  it("stop nothing when only optional ones are missing", () => {
    const optional = TOOLS.filter(({ required }) => !required);
    expect(decide(optional, { root: false, apt: true })).toEqual({ install: [], message: null, fails: false });
    expect(decide([], { root: true, apt: true })).toEqual({ install: [], message: null, fails: false });
  });
});
