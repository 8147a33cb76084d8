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
  | { readonly is: "missing" };

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
      new Promise((resolve) => {
        execFile(tool, args, { env, timeout: ANSWER_MS_MAX, maxBuffer: ANSWER_BYTES_MAX }, (error, stdout, stderr) => {
          if (error?.code === "ENOENT") resolve({ is: "missing" });
          else resolve({ is: "answered", ok: error === null, stdout, stderr: stderr.trim() || (error?.message ?? "") });
        });
      }),
    start: ([tool, ...args]) => spawn(tool, args, { env, stdio: ["ignore", "pipe", "pipe"] }),
  };
}
