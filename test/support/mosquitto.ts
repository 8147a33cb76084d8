import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";

/** How long mosquitto may take until it answers on its port. */
const START_MS_MAX = 5_000;
const POLL_MS = 5;
const PORTS_TRIED = 5;
const ASK_AGAIN_MS = 200;

/** Where the mosquitto program is, or null. Debian puts it in /usr/sbin, which is not on everybody's PATH. */
const program =
  [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"]
    .map((folder) => join(folder, "mosquitto"))
    .find((path) => existsSync(path)) ?? null;

/** For `describe.skipIf`: a contributor may lack mosquitto, CI may not. */
export const skipWithoutMosquitto = program === null && process.env.CI === undefined;

/** How a mosquitto is started. */
export interface MosquittoOptions {
  /** Lines for the end of mosquitto.conf. By default, everybody may do everything. */
  readonly config?: readonly string[];
  /** Keep messages on disk over a restart, written after each change. */
  readonly persistence?: boolean;
  /** Working folder; a new temporary one by default, removed by `stop`. */
  readonly dir?: string;
  /** Files that the configuration names, by path: an ACL, a password file. */
  readonly files?: Readonly<Record<string, string>>;
  /** The scheme in `url`. */
  readonly scheme?: "mqtt" | "mqtts";
}

/** A mosquitto of one's own, on loopback. */
export interface Mosquitto {
  readonly url: string;
  readonly port: number;
  readonly dir: string;
  /** What it wrote so far. */
  log(): string;
  /** SIGTERM, and removes the folder if it was made here. */
  stop(): Promise<void>;
  /** SIGTERM, and nothing is removed: `restart` may follow. */
  shutDown(): Promise<void>;
  /** SIGKILL: what it did not write is lost. `restart` may follow. */
  kill9(): Promise<void>;
  /** SIGSTOP: sockets stay open, nobody answers. */
  freeze(): void;
  /** SIGHUP: it reads its ACL and passwords again. */
  reload(): void;
  thaw(): void;
  /** Ends it if it runs, and starts it again on the same port and folder. */
  restart(): Promise<void>;
}

/** Starts mosquitto on a free port and resolves once it accepts connections. */
export async function startMosquitto(options: MosquittoOptions = {}): Promise<Mosquitto> {
  if (program === null) throw new Error("mosquitto is not installed: `apt install mosquitto` (or `brew install mosquitto`)");
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), "stoep-mosquitto-")));
  await mkdir(dir, { recursive: true });
  for (const [path, text] of Object.entries(options.files ?? {})) await writeFile(path, text, { mode: 0o600 });
  const { run, port } = await startOnFreePort(program, dir, options);
  return {
    url: `${options.scheme ?? "mqtt"}://127.0.0.1:${port}`,
    port,
    dir,
    log: () => run.log,
    stop: async () => {
      await run.end("SIGTERM");
      if (options.dir === undefined) await rm(dir, { recursive: true });
    },
    shutDown: () => run.end("SIGTERM"),
    kill9: () => run.end("SIGKILL"),
    freeze: () => run.signal("SIGSTOP"),
    reload: () => run.signal("SIGHUP"),
    thaw: () => run.signal("SIGCONT"),
    restart: async () => {
      await run.end("SIGTERM");
      await run.start();
    },
  };
}

/** Somebody else may take a free port before mosquitto does. */
async function startOnFreePort(path: string, dir: string, options: MosquittoOptions): Promise<{ run: Run; port: number }> {
  const configFile = join(dir, "mosquitto.conf");
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    await writeFile(configFile, configText(port, dir, options), { mode: 0o600 });
    const run = new Run(path, configFile, port);
    try {
      await run.start();
      return { run, port };
    } catch (error) {
      await run.end("SIGKILL");
      if (attempt === PORTS_TRIED || !run.log.includes("Address already in use")) throw error;
    }
  }
}

/** The process behind a `Mosquitto`, one life after another. */
class Run {
  log = "";
  readonly #program: string;
  readonly #configFile: string;
  readonly #port: number;
  #child: ChildProcess | null = null;

  constructor(path: string, configFile: string, port: number) {
    this.#program = path;
    this.#configFile = configFile;
    this.#port = port;
  }

  async start(): Promise<void> {
    const child = spawn(this.#program, ["-c", this.#configFile], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    const killWithUs = () => child.kill("SIGKILL");
    process.once("exit", killWithUs);
    child.once("exit", () => process.off("exit", killWithUs));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        this.log += text;
      });
    }
    const deadline = performance.now() + START_MS_MAX;
    for (;;) {
      const isAnswered = await answers(this.#port);
      // Whoever answers may be somebody else.
      if (child.exitCode !== null || performance.now() > deadline) throw new Error(`mosquitto did not start:\n${this.log}`);
      if (isAnswered) return;
      await wait(POLL_MS);
    }
  }

  signal(name: "SIGSTOP" | "SIGCONT" | "SIGHUP"): void {
    this.#child?.kill(name);
  }

  async end(name: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    const ask = (): void => {
      child.kill(name);
      child.kill("SIGCONT");
    };
    ask();
    // mosquitto forgets a SIGTERM that comes before its main loop runs.
    const asking = setInterval(ask, ASK_AGAIN_MS);
    await exited;
    clearInterval(asking);
  }
}

function configText(port: number, dir: string, { config, persistence = false }: MosquittoOptions): string {
  return [
    `listener ${port} 127.0.0.1`,
    // Started as root, mosquitto would turn into a user that cannot read this folder.
    ...(process.getuid?.() === 0 ? ["user root"] : []),
    ...(persistence
      ? ["persistence true", `persistence_location ${dir}/`, "autosave_on_changes true", "autosave_interval 1"]
      : ["persistence false"]),
    ...(config ?? ["allow_anonymous true"]),
    "",
  ].join("\n");
}

/** A port of loopback that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
