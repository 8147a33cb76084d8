import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Testimony } from "../core/machine/testimony.ts";
import { SLEW_MS_MAX } from "../core/machine/timekeeper.ts";
import { epochMs, monotonicMs } from "../core/units/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import { chronySays, kernelSays, rtcSays, timesyncdSays } from "./time-trust.ts";

/** Longest delay of a timer in Node; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;
/** A time service that takes longer than this to answer does not vouch. */
const COMMAND_TIMEOUT_MS = 2_000;
const COMMAND_BYTES_MAX = 4_096;
/**
 * A look at a file costs nothing, a child process does: its answer is kept this long, or as long as all is well. An answer from before a
 * step of the wall clock is not kept.
 */
const COMMAND_KEPT_MS = 30_000;
const GOOD_ANSWER_KEPT_MS = 300_000;

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

/** Asks the time services that are programs, and remembers what they said for a while. */
class TimeServices {
  readonly #run: RunCommand;
  #asking: Promise<readonly Testimony[]> | null = null;
  #keptUntilMs = Number.NEGATIVE_INFINITY;
  #offsetMs = 0;

  constructor(run: RunCommand) {
    this.#run = run;
  }

  testimonies(): Promise<readonly Testimony[]> {
    const offsetMs = Date.now() - monotonicNow();
    const isStepped = Math.abs(offsetMs - this.#offsetMs) > SLEW_MS_MAX;
    if (this.#asking === null || isStepped || monotonicNow() >= this.#keptUntilMs) {
      this.#offsetMs = offsetMs;
      this.#keptUntilMs = monotonicNow() + COMMAND_KEPT_MS;
      this.#asking = this.#ask().catch(() => []);
    }
    return this.#asking;
  }

  async #ask(): Promise<readonly Testimony[]> {
    const askedMs = monotonicNow();
    const chrony = chronySays((await this.#run("chronyc", ["-c", "tracking"])) ?? "");
    const kernel = kernelSays((await this.#run("timedatectl", ["show", "-p", "NTPSynchronized", "--value"])) ?? "");
    const said = [chrony, kernel].filter((one) => one !== null);
    if (said.length > 0 && said.every(({ says }) => says !== "no")) this.#keptUntilMs = askedMs + GOOD_ANSWER_KEPT_MS;
    return said;
  }
}

/** The machine's own time. */
export function createSystemClock(options: SystemClockOptions = {}): Clock {
  const { root = "/", run = runCommand } = options;
  const flag = join(root, "run/systemd/timesync/synchronized");
  const rtc = join(root, "sys/class/rtc/rtc0/since_epoch");
  const services = new TimeServices(run);

  return {
    bootId: nameBoot(options.bootId, root),
    monotonicMs: () => monotonicMs(monotonicNow()),
    monotonicNs: () => process.hrtime.bigint(),
    wallMs: () => epochMs(Date.now()),
    async testimonies() {
      const flagMs = await stat(flag).then(
        (found) => found.mtimeMs,
        () => null,
      );
      const timesyncd = flagMs === null ? null : timesyncdSays(flagMs, Date.now(), monotonicNow());
      const rtcText = await readFile(rtc, "utf8").catch(() => "");
      const files = [timesyncd, rtcSays(rtcText, Date.now())].filter((one) => one !== null);
      return [...files, ...(await services.testimonies())];
    },
    after,
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
  };
}
