import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import type { Readable } from "node:stream";
import type { Command } from "./gpiomon-dialect.ts";

/** A tool that answers at all does so in milliseconds. */
const ANSWER_MS_MAX = 5_000;
/** `gpioinfo` of a large board is a few KiB. */
const ANSWER_BYTES_MAX = 1_048_576;

export type ToolAnswer =
  | { readonly is: "answered"; readonly ok: boolean; readonly stdout: string; readonly stderr: string }
  /** The tool is not on this machine. */
  | { readonly is: "missing" }
  /** The system could not run it to its end, now: no memory, no process or descriptor left, or it hangs. Says nothing about the tool. */
  | { readonly is: "failed"; readonly detail: string };

export type ToolProcess = ChildProcessByStdio<null, Readable, Readable>;

/** The libgpiod tools of this machine. */
export interface GpioTools {
  /** Runs a tool to its end. */
  ask(command: Command): Promise<ToolAnswer>;
  /** Starts a tool that goes on. */
  start(command: Command): ToolProcess;
}

/** `path`: the directories that tools are looked for in, as in PATH. */
export function createGpioTools(path: string): GpioTools {
  // LC_ALL: what the tools say is read by a program.
  const env = { PATH: path, LC_ALL: "C" };
  return {
    ask: ([tool, ...args]) =>
      new Promise<ToolAnswer>((resolve) => {
        execFile(tool, args, { env, timeout: ANSWER_MS_MAX, maxBuffer: ANSWER_BYTES_MAX }, (error, stdout, stderr) => {
          if (error === null) resolve({ is: "answered", ok: true, stdout, stderr: stderr.trim() });
          else if (error.code === "ENOENT") resolve({ is: "missing" });
          else if (error.killed === true) resolve({ is: "failed", detail: `${tool} gave no answer within ${ANSWER_MS_MAX / 1_000} s` });
          // A number is what a tool that ran has said; a name is the system's.
          else if (typeof error.code !== "number") resolve({ is: "failed", detail: error.message });
          else resolve({ is: "answered", ok: false, stdout, stderr: stderr.trim() || error.message });
        });
        // Without memory, execFile throws.
      }).catch((error: unknown) => ({ is: "failed", detail: error instanceof Error ? error.message : String(error) })),
    start: ([tool, ...args]) => spawn(tool, args, { env, stdio: ["ignore", "pipe", "pipe"] }),
  };
}
