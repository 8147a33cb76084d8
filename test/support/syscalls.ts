import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** Why strace cannot be used here; empty when it can. */
export function noStrace(): string {
  try {
    execFileSync("strace", ["-qq", "-o", "/dev/null", "true"], { stdio: "ignore" });
    return "";
  } catch {
    return "strace is not installed, or this process may not trace others";
  }
}

/** How a traced program ended. */
export interface Traced {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Lines of the trace. */
  readonly trace: readonly string[];
}

/** Runs a program of ours under strace. */
export function traced(options: readonly string[], log: string, program: readonly string[], timeoutMs = 60_000): Traced {
  const words = ["-f", "-qq", ...options, "-o", log, process.execPath, ...program];
  const { status, stdout, stderr } = spawnSync("strace", words, { encoding: "utf8", timeout: timeoutMs, maxBuffer: 64e6 });
  return { code: status, stdout, stderr, trace: joined(readFileSync(log, "latin1").split("\n")) };
}

/** Lines of which strace wrote the end later, because another thread came in between, made whole: in order of their end. */
function joined(lines: readonly string[]): readonly string[] {
  const begun = new Map<string, string>();
  return lines.flatMap((line) => {
    const pid = /^\d+/.exec(line)?.[0] ?? "";
    if (line.endsWith(" <unfinished ...>")) {
      begun.set(pid, line.slice(0, -" <unfinished ...>".length));
      return [];
    }
    const rest = /^\d+ +<\.\.\. \w+ resumed>(.*)$/.exec(line)?.[1];
    return rest === undefined ? [line] : [`${begun.get(pid) ?? ""}${rest}`];
  });
}
