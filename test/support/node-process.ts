import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { stringify } from "yaml";
import { askControl } from "../../src/adapters/control-socket.ts";
import type { LocalStatus } from "../../src/runtime/status.ts";

const MAIN = resolve(import.meta.dirname, "../../dist/src/cli/main.js");
// As the service starts it (DESIGN §6).
const NODE_FLAGS = ["--max-semi-space-size=1", "--clear-free-memory"];
const NODE_ENVIRONMENT = { MALLOC_ARENA_MAX: "2", MALLOC_MMAP_THRESHOLD_: "131072" };
/** For a start or an event on a machine that has a lot else to do. */
const WAIT_MS = 20_000;
/** For a command that ends by itself; `retire --drain 20s` is one. */
const COMMAND_MS = 60_000;
const POLL_MS = 5;
const STATUS_POLL_MS = 50;
/** How long a node that gave no answer is given to end. */
const END_MS = 1_000;
/** How much of a log a failure shows. */
const LOG_TAIL = 20;
/** A tmpfs on every Linux. */
const TMPFS = "/dev/shm";

/** What the node wrote to stdout: one JSON object a line. */
export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

/** How a process ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** `performance.now()` when it was known. */
  readonly atMs: number;
}

/** What a command that ends by itself left behind. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Environment = Readonly<Record<string, string>>;

/** Runs the built `stoep` until it ends. */
export function stoep(words: readonly string[], environment: Environment = {}): Promise<Finished> {
  return new Promise((settled) => {
    const options = { env: { ...process.env, ...environment }, timeout: COMMAND_MS };
    const child = execFile(process.execPath, [...NODE_FLAGS, MAIN, ...words], options, (_error, stdout, stderr) =>
      settled({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

/** A node in a process of its own: the built program, started as the service starts it. */
export class NodeProcess {
  readonly pid: number;
  /** `performance.now()` at the start. */
  readonly startedMs = performance.now();
  readonly log: LogLine[] = [];
  /** Resolves when it has ended, however. */
  readonly exit: Promise<Exit>;
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  #unfinished = "";
  #ended: Exit | null = null;

  constructor(file: string, environment: Environment = {}) {
    const env = { ...process.env, ...NODE_ENVIRONMENT, ...environment };
    const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, "run", file], { env, stdio: ["ignore", "pipe", "pipe"] });
    if (child.pid === undefined) throw new Error("no process was started");
    this.#child = child;
    this.pid = child.pid;
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.#hear(text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    const killWithUs = (): void => void child.kill("SIGKILL");
    process.once("exit", killWithUs);
    this.exit = new Promise((settled) => {
      // `close` comes after the last byte of stdout and stderr.
      child.once("close", (code, signal) => {
        process.off("exit", killWithUs);
        this.#ended = { code, signal, atMs: performance.now() };
        settled(this.#ended);
      });
    });
  }

  get hasEnded(): boolean {
    return this.#ended !== null;
  }

  /** The lines of one event so far. */
  events(name: string): readonly LogLine[] {
    return this.log.filter(({ event }) => event === name);
  }

  /** The first line of this event, that fits; also one that is long past. */
  async event(name: string, fits: (line: LogLine) => boolean = () => true, timeoutMs = WAIT_MS): Promise<LogLine> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const found = this.log.find((line) => line.event === name && fits(line));
      if (found !== undefined) return found;
      if (this.hasEnded) throw new Error(`the node ended without ${name}\n${this.tail()}`);
      if (performance.now() > untilMs) throw new Error(`no ${name} within ${timeoutMs} ms\n${this.tail()}`);
      await wait(POLL_MS);
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** SIGTERM, as the service manager ends it. */
  stop(): Promise<Exit> {
    this.signal("SIGTERM");
    return this.exit;
  }

  /** SIGKILL. */
  kill9(): Promise<Exit> {
    this.signal("SIGKILL");
    return this.exit;
  }

  #hear(text: string): void {
    this.stdout += text;
    const lines = (this.#unfinished + text).split("\n");
    this.#unfinished = lines.pop() ?? "";
    for (const line of lines) this.log.push(JSON.parse(line) as LogLine);
  }

  /** The end of what it logged, and all that it said on stderr. */
  tail(): string {
    return `${this.stdout.split("\n").slice(-LOG_TAIL).join("\n")}\n${this.stderr}`;
  }
}

/** A node file in JavaScript. What is left out is made by `NodeSite`. */
export interface SiteConfig {
  readonly broker: { readonly url: string; readonly [key: string]: unknown };
  readonly sensors: Readonly<Record<string, object>>;
  readonly node?: { readonly id: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** The prefix of every topic here. */
export const PREFIX = "city/test";

/** What one lamp post has: a node file, a folder on flash, a folder in memory. It outlives its processes. */
export class NodeSite {
  readonly folder = mkdtempSync(join(tmpdir(), "stoep-node-"));
  readonly file = join(this.folder, "node.yaml");
  /** On disk. */
  readonly storage = join(this.folder, "storage");
  /** In memory, where there is a tmpfs. */
  readonly live = mkdtempSync(join(existsSync(TMPFS) ? TMPFS : tmpdir(), "stoep-live-"));
  readonly #processes: NodeProcess[] = [];
  #hasSocket = true;

  constructor(config: SiteConfig) {
    mkdirSync(this.storage);
    this.write(config);
  }

  /** Writes node.yaml, anew or again. */
  write(config: SiteConfig): void {
    const { node, broker, storage, ...rest } = config;
    const whole = {
      stoep: 1,
      window: "10s",
      time: { source: "operator" },
      log: { level: "debug" },
      ...rest,
      node: { id: "n0042", ...node },
      broker: { prefix: PREFIX, ...broker },
      storage: { directory: this.storage, live: this.live, ...(storage as object | undefined) },
    };
    this.#hasSocket = whole.storage.live === this.live;
    writeFileSync(this.file, stringify(whole));
  }

  /** A pipe in the place of a capture: a replay begins when it is written to. */
  pipe(name: string): string {
    const path = join(this.folder, name);
    execFileSync("mkfifo", [path]);
    return path;
  }

  /** Starts the node. */
  run(environment?: Environment): NodeProcess {
    const process = new NodeProcess(this.file, environment);
    this.#processes.push(process);
    return process;
  }

  /** Starts the node and waits until it says that it is ready, and answers. */
  async runUntilReady(environment?: Environment): Promise<NodeProcess> {
    const process = this.run(environment);
    await process.event("NodeReady");
    if (this.#hasSocket) await this.answers();
    return process;
  }

  /** Waits until the node answers. The socket is opened last; one that an earlier life left behind refuses. */
  async answers(): Promise<void> {
    const untilMs = performance.now() + WAIT_MS;
    while (performance.now() < untilMs) {
      if (
        await this.status().then(
          () => true,
          () => false,
        )
      )
        return;
      await wait(POLL_MS);
    }
    throw new Error("the node does not answer on its socket");
  }

  /** What `stoep status --json` prints, without a process for it. A node that ends instead of answering is told with its last words. */
  async status(): Promise<LocalStatus> {
    try {
      return (await askControl(join(this.live, "stoep.sock"), "/status")) as LocalStatus;
    } catch (error) {
      const last = this.#processes.at(-1);
      const ended = last === undefined ? null : await Promise.race([last.exit, wait(END_MS).then(() => null)]);
      if (last === undefined || ended === null) throw error;
      throw new Error(`the node ended (${ended.code ?? ended.signal}) and gave no status\n${last.tail()}`, { cause: error });
    }
  }

  /** Asks for the status until it is as wanted. */
  async statusWhen(isWanted: (status: LocalStatus) => boolean, timeoutMs = WAIT_MS): Promise<LocalStatus> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      const status = await this.status();
      if (isWanted(status)) return status;
      if (performance.now() > untilMs) throw new Error(`the status is not as wanted: ${JSON.stringify(status)}`);
      await wait(STATUS_POLL_MS);
    }
  }

  /** Ends what still runs, and removes the folders. */
  async dispose(): Promise<void> {
    for (const process of this.#processes) if (!process.hasEnded) await process.kill9();
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(this.live, { recursive: true, force: true });
  }
}
