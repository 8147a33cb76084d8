import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { epochMs, monotonicMs } from "../core/units/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import { flagIsOfThisBoot, parseChronyTracking, parseTimedatectl, type Vouched } from "./time-trust.ts";

/** Longest delay of a timer in Node; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** A time service that takes longer than this to answer does not vouch. */
const COMMAND_TIMEOUT_MS = 2_000;
const COMMAND_BYTES_MAX = 4_096;
/** A look at a file costs nothing, a child process does: its answer is kept this long. */
const COMMAND_KEPT_MS = 30_000;

/** Runs a program and resolves to what it printed, or to null when it is not there, fails or takes too long. Never rejects. */
export type RunCommand = (program: string, args: readonly string[]) => Promise<string | null>;

/** What the clock is made of; the defaults are the machine. */
export interface SystemClockOptions {
  /** STOEP_BOOT_ID from the unit file (`%b`), for sandboxes that hide /proc/sys. */
  readonly bootId?: string | undefined;
  /** Stands before `/proc` and `/run`. */
  readonly root?: string;
  readonly run?: RunCommand;
}

const runCommand: RunCommand = (program, args) =>
  new Promise((resolve) => {
    const environment = { PATH: process.env.PATH ?? "/usr/bin:/bin", LC_ALL: "C" };
    const options = { timeout: COMMAND_TIMEOUT_MS, killSignal: "SIGKILL", maxBuffer: COMMAND_BYTES_MAX, env: environment } as const;
    execFile(program, [...args], options, (error, printed) => resolve(error ? null : printed));
  });

/**
 * 32 hex digits. A boot that cannot be named gets a random name: then nothing that an earlier process left behind is taken to
 * be of this boot, which costs readings and never mislabels one.
 */
function nameBoot(given: string | undefined, root: string): string {
  const canonical = (text: string): string | null => {
    const digits = text.trim().toLowerCase().replaceAll("-", "");
    return /^[0-9a-f]{32}$/.test(digits) ? digits : null;
  };
  const passed = canonical(given ?? "");
  if (passed) return passed;
  try {
    const kernel = canonical(readFileSync(join(root, "proc/sys/kernel/random/boot_id"), "utf8"));
    if (kernel) return kernel;
  } catch {
    // No /proc here: the name is made up below.
  }
  return randomUUID().replaceAll("-", "");
}

/** CLOCK_MONOTONIC, the clock that the kernel stamps GPIO edges with. `performance.now` counts from the start of the process. */
function monotonicNow(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1e6;
}

/** Timers of Node can fire a millisecond early and cannot wait 25 days: what is left is waited for again. */
function after(delayMs: number, task: () => void): Cancel {
  const dueMs = monotonicNow() + delayMs;
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    timer = setTimeout(
      () => {
        if (monotonicNow() < dueMs) wait();
        else task();
      },
      Math.min(Math.max(0, Math.ceil(dueMs - monotonicNow())), TIMER_MS_MAX),
    );
  };
  wait();
  return () => clearTimeout(timer);
}

/** The machine's own time. */
export function createSystemClock(options: SystemClockOptions = {}): Clock {
  const { root = "/", run = runCommand } = options;
  const flag = join(root, "run/systemd/timesync/synchronized");
  let asking: Promise<Vouched> | null = null;
  let askedMs = 0;

  const askCommands = async (): Promise<Vouched> => {
    const tracking = parseChronyTracking((await run("chronyc", ["-c", "tracking"])) ?? "");
    if (tracking !== undefined) return tracking;
    return parseTimedatectl((await run("timedatectl", ["show", "-p", "NTPSynchronized", "--value"])) ?? "") ?? null;
  };

  return {
    bootId: nameBoot(options.bootId, root),
    monotonicMs: () => monotonicMs(monotonicNow()),
    monotonicNs: () => process.hrtime.bigint(),
    wallMs: () => epochMs(Date.now()),
    async wallTrust() {
      const flagMs = await stat(flag).then(
        (found) => found.mtimeMs,
        () => null,
      );
      if (flagMs !== null && flagIsOfThisBoot(flagMs, Date.now(), monotonicNow())) return "synced";
      if (!asking || monotonicNow() - askedMs >= COMMAND_KEPT_MS) {
        askedMs = monotonicNow();
        asking = askCommands().catch(() => null);
      }
      return asking;
    },
    after,
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
