import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, constants, existsSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MS_MAX = 5_000;

/** Two connected pseudo terminals: the node opens `path`, the test plays the device at the other end. */
export interface PtyPair {
  /** The same over every `restore`. */
  readonly path: string;
  /** The device says something. */
  feed(data: Uint8Array | string): Promise<void>;
  /** What the device has been told since the last call. */
  received(): Buffer;
  /** Pulls the plug: both ends are gone. */
  cut(): Promise<void>;
  /** Puts the plug back. */
  restore(): Promise<void>;
  /** Pulls the plug for good and cleans up. */
  dispose(): Promise<void>;
}

function orZeroWhenBusy(transfer: () => number): number {
  try {
    return transfer();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EAGAIN") return 0;
    throw error;
  }
}

/** Opens a pair by way of socat, which is ended by its own process id. */
export async function openPtyPair(): Promise<PtyPair> {
  const directory = mkdtempSync(join(tmpdir(), "stoep-pty-"));
  const path = join(directory, "node");
  const devicePath = join(directory, "device");
  let socat: ChildProcess | null = null;
  // Null while unplugged: the number of a descriptor that was closed soon belongs to something else, a connection of this test maybe.
  let device: number | null = null;

  const plugged = (): number => {
    if (device === null) throw new Error(`${path} is unplugged`);
    return device;
  };
  const restore = async (): Promise<void> => {
    const child = spawn("socat", [`PTY,link=${path},raw,echo=0`, `PTY,link=${devicePath},raw,echo=0`], { stdio: "ignore" });
    socat = child;
    const untilMs = performance.now() + START_MS_MAX;
    while (!existsSync(path) || !existsSync(devicePath)) {
      if (child.exitCode !== null || performance.now() > untilMs) throw new Error("socat made no pseudo terminals");
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    device = openSync(devicePath, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  };
  const cut = async (): Promise<void> => {
    if (socat === null) return;
    const child = socat;
    socat = null;
    if (device !== null) closeSync(device);
    device = null;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await exited;
    // A killed socat leaves its links behind; udev would have removed them.
    rmSync(path, { force: true });
    rmSync(devicePath, { force: true });
  };

  await restore();
  return {
    path,
    async feed(data) {
      let rest = Buffer.from(data);
      while (rest.length > 0) {
        rest = rest.subarray(orZeroWhenBusy(() => writeSync(plugged(), rest)));
        // The line holds a few KiB: let the other end read.
        if (rest.length > 0) await new Promise((resolve) => setImmediate(resolve));
      }
    },
    received() {
      const chunks: Buffer[] = [];
      const chunk = Buffer.alloc(4_096);
      for (;;) {
        const count = orZeroWhenBusy(() => readSync(plugged(), chunk));
        if (count === 0) break;
        chunks.push(Buffer.from(chunk.subarray(0, count)));
      }
      return Buffer.concat(chunks);
    },
    cut,
    restore,
    async dispose() {
      await cut();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
