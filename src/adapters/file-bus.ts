import { constants } from "node:fs";
import { type FileHandle, open, realpath, stat } from "node:fs/promises";
import { constants as osConstants } from "node:os";
import { sep } from "node:path";
import type { NoReplyReason, RequestBody } from "../core/units/port.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { AskedPort, FileBus, PortFault, PortListener } from "../ports/field-port.ts";

/** The kernel fills a page at most for one read of a file in sysfs (Documentation/filesystems/sysfs.rst). A longer file is refused. */
export const FILE_BYTES_MAX = 4_096;
/**
 * Reads that may be under way at once, over all ports. A read of a 1-Wire file holds a thread of Node's pool for 750 ms and more, the
 * pool has four, and name look-ups need one.
 */
export const READS_MAX = 2;

/** Why a file was not read, as an error number of the system. */
class FileRefusal extends Error {
  readonly errno: number;

  constructor(name: keyof typeof osConstants.errno) {
    super(name);
    this.errno = osConstants.errno[name];
  }
}

/** What a bus of files stands on. */
export interface FileBusParts {
  readonly clock: Pick<Clock, "after">;
  /** Bytes of the file `name` below `folder`; in place of the system's, in tests of devices that never answer. */
  readonly read?: (folder: string, name: string) => Promise<Uint8Array>;
}

/**
 * Folders of files that the kernel makes of devices. A session names a file; what it leads to must lie below the folder, with all
 * links followed, or it is not read.
 */
export function createFileBus({ clock, read = readBelow }: FileBusParts): FileBus {
  const reads = new Reads(READS_MAX, read);
  return {
    open(path, listener) {
      const port = new FilePort(path, listener, clock, reads);
      void port.start();
      return port;
    },
  };
}

/**
 * Reads of all ports: so many at a time, and one of a device. A read cannot be called off: it keeps its turn, and its device, until it is
 * over, also when the port that asked is closed. So a device that hangs holds one turn and not all of them.
 */
class Reads {
  #free: number;
  readonly #read: NonNullable<FileBusParts["read"]>;
  readonly #underWay = new Set<string>();
  readonly #waiting = new Map<() => void, string>();

  constructor(most: number, read: NonNullable<FileBusParts["read"]>) {
    this.#free = most;
    this.#read = read;
  }

  isUnderWay(device: string): boolean {
    return this.#underWay.has(device);
  }

  /** Calls `begin`, which must call `run`, when it is the device's turn, perhaps at once. The answer takes it out of the queue. */
  queue(device: string, begin: () => void): Cancel {
    this.#waiting.set(begin, device);
    this.#next();
    return () => void this.#waiting.delete(begin);
  }

  /** Takes a turn; only from `begin`. */
  async run(device: string, file: string): Promise<Uint8Array> {
    this.#free--;
    this.#underWay.add(device);
    try {
      return await this.#read(device, file);
    } finally {
      this.#free++;
      this.#underWay.delete(device);
      this.#next();
    }
  }

  #next(): void {
    for (const [begin, device] of this.#waiting) {
      if (this.#free === 0) return;
      if (this.#underWay.has(device)) continue;
      this.#waiting.delete(begin);
      begin();
    }
  }
}

class FilePort implements AskedPort {
  readonly #path: string;
  readonly #listener: PortListener;
  readonly #clock: Pick<Clock, "after">;
  readonly #reads: Reads;
  #is: "opening" | "open" | "closed" = "opening";
  /** The folder with all links followed: a device has one. */
  #device = "";
  #isWaiting = false;
  #leaveQueue: Cancel | null = null;
  #cancelTimeout: Cancel | null = null;

  constructor(path: string, listener: PortListener, clock: Pick<Clock, "after">, reads: Reads) {
    this.#path = path;
    this.#listener = listener;
    this.#clock = clock;
    this.#reads = reads;
  }

  async start(): Promise<void> {
    const folder = await findFolder(this.#path);
    if (this.#is !== "opening") return;
    if (typeof folder !== "string") return this.#end(...folder);
    this.#device = folder;
    this.#is = "open";
    this.#listener({ type: "opened", settings: {} });
  }

  request(tag: string, body: RequestBody, timeoutMs: number): void {
    if (this.#is !== "open") return;
    if (!("file" in body)) return this.#later(() => this.#refuse(tag, "exception", osConstants.errno.EOPNOTSUPP));
    const { file } = body;
    if (this.#isWaiting || this.#reads.isUnderWay(this.#device)) return this.#later(() => this.#refuse(tag, "busy"));
    this.#isWaiting = true;
    this.#leaveQueue = this.#reads.queue(this.#device, () => void this.#read(tag, file, timeoutMs));
  }

  write(): void {
    // Files are only read.
  }

  signal(): void {
    // There are no control lines.
  }

  close(): void {
    this.#is = "closed";
    this.#leaveQueue?.();
    this.#cancelTimeout?.();
  }

  /** It is this port's turn: the time that it waited for others is not the device's. */
  async #read(tag: string, file: string, timeoutMs: number): Promise<void> {
    this.#isWaiting = false;
    let isAsked = true;
    const cancelTimeout = this.#clock.after(timeoutMs, () => {
      isAsked = false;
      this.#refuse(tag, "timeout");
    });
    this.#cancelTimeout = cancelTimeout;
    try {
      const data = await this.#reads.run(this.#device, file);
      if (isAsked && this.#is === "open") this.#listener({ type: "reply", tag, data, byteCount: data.byteLength });
      data.fill(0);
    } catch (error) {
      const folder = await findFolder(this.#path);
      if (!isAsked || this.#is !== "open") return;
      // A device that was pulled takes its folder with it.
      if (typeof folder === "string") this.#refuse(tag, "exception", errnoOf(error));
      else this.#end(...folder);
    } finally {
      cancelTimeout();
    }
  }

  #refuse(tag: string, reason: NoReplyReason, code?: number): void {
    if (this.#is === "open") this.#listener({ type: "noReply", tag, reason, ...(code === undefined ? {} : { code }) });
  }

  #later(task: () => void): void {
    this.#clock.after(0, task);
  }

  #end(code: PortFault, detail: string, remedy: string): void {
    this.close();
    this.#listener({ type: "closed", code, detail, remedy });
  }
}

/** The folder of a device with all links followed, or why it cannot be used. */
async function findFolder(path: string): Promise<string | readonly [code: PortFault, detail: string, remedy: string]> {
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
    return ["settings", `${path} is no folder`, "Name the folder of the device, not a file in it"];
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EACCES") return ["permission", message, `Let the user that runs Stoep read ${path}`];
    const remedy = `Check cable and power, and that the kernel sees it: ls ${path.slice(0, path.lastIndexOf("/")) || "/"}`;
    return code === "ENOENT" ? ["gone", message, remedy] : ["io", message, remedy];
  }
}

/** Bytes of the file `name` below `folder`. The error number goes to whoever asked. */
async function readBelow(folder: string, name: string): Promise<Uint8Array> {
  const base = await realpath(folder);
  const real = await realpath(`${folder}/${name}`);
  if (!real.startsWith(base + sep)) throw new FileRefusal("EPERM");
  // A pipe that nobody writes to must not hold a thread for ever.
  const handle = await open(real, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await handle.stat()).isFile()) throw new FileRefusal("EPERM");
    return await readWhole(handle);
  } finally {
    await handle.close();
  }
}

/** To its end: what stat says of the size of a file in sysfs is not what is in it. */
async function readWhole(handle: FileHandle): Promise<Uint8Array> {
  const buffer = new Uint8Array(FILE_BYTES_MAX + 1);
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  throw new FileRefusal("EFBIG");
}

/** The positive number of an error of the system; libuv has them negative. */
function errnoOf(error: unknown): number {
  const { errno } = error as NodeJS.ErrnoException;
  return typeof errno === "number" ? Math.abs(errno) : osConstants.errno.EIO;
}
