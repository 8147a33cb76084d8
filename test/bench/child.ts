import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** How Stoep's service starts Node; every process of the bench starts so, or memory would be another. */
export const NODE_OPTIONS: readonly string[] = ["--max-semi-space-size=1", "--clear-free-memory"];

/** And with this. */
const NODE_ENVIRONMENT = { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "131072" };

/** USER_HZ: `/proc/PID/stat` counts in hundredths of a second on every Linux that Node runs on (proc(5), time(7)). */
const TICKS_PER_SECOND = 100;

/** A child process that measures on its own: it gets `input` and prints its result as the last line, as JSON. */
export async function measure<Result>(script: string, input: object): Promise<Result> {
  const file = fileURLToPath(new URL(`./children/${script}.js`, import.meta.url));
  const child = spawn(process.execPath, [...NODE_OPTIONS, file, JSON.stringify(input)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...NODE_ENVIRONMENT },
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`${script} ended with ${code}`);
  return JSON.parse(printed.trim().split("\n").at(-1) ?? "") as Result;
}

/** For the child's side of `measure`. */
export function inputOf<Input>(): Input {
  return JSON.parse(process.argv[2] ?? "{}") as Input;
}

/** For the child's side of `measure`: the answer, and the end, whatever is still open. */
export function answer(result: object): void {
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
}

/** A process that is watched from outside. */
export class Watched {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  /** What it said on stderr. */
  errors = "";

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    this.#child = spawn(process.execPath, [...NODE_OPTIONS, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...env, ...NODE_ENVIRONMENT },
    });
    this.#exited = once(this.#child, "exit");
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.errors += text;
    });
    const killWithUs = (): void => void this.#child.kill("SIGKILL");
    process.once("exit", killWithUs);
    this.#child.once("exit", () => process.off("exit", killWithUs));
  }

  get pid(): number {
    if (this.#child.pid === undefined || this.#child.exitCode !== null) throw new Error(`the process is gone: ${this.errors}`);
    return this.#child.pid;
  }

  /** Resident memory, MB of 10^6 bytes. */
  residentMb(): number {
    const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1];
    return (Number(kib) * 1_024) / 1e6;
  }

  /** CPU seconds so far, user and system, all threads. */
  cpuSeconds(): number {
    // The name of the process may hold spaces; it ends at the last bracket. Fields 14 and 15 are utime and stime (proc(5)).
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill("SIGTERM");
    await this.#exited;
  }
}
