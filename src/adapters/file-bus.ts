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

/**
 * Folders of files that the kernel makes of devices. A session names a file; what it leads to must lie below the folder, with all
 * links followed, or it is not read.
 */
export function createFileBus({ clock }: { readonly clock: Pick<Clock, "after"> }): FileBus {
  const reads = new Turns(READS_MAX);
  return {
    open(path, listener) {
      const port = new FilePort(path, listener, clock, reads);
      void port.start();
      return port;
    },
  };
}

/** Lets so many at a time go on. */
class Turns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#free = most;
  }

  async take<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}

class FilePort implements AskedPort {
  readonly #path: string;
  readonly #listener: PortListener;
  readonly #clock: Pick<Clock, "after">;
  readonly #reads: Turns;
  #is: "opening" | "open" | "closed" = "opening";
  /** A read cannot be called off: until it is over, there is no other, even when nobody waits for it any more. */
  #isReading = false;
  #cancelTimeout: Cancel | null = null;

  constructor(path: string, listener: PortListener, clock: Pick<Clock, "after">, reads: Turns) {
    this.#path = path;
    this.#listener = listener;
    this.#clock = clock;
    this.#reads = reads;
  }

  async start(): Promise<void> {
    const fault = await folderFault(this.#path);
    if (this.#is !== "opening") return;
    if (fault !== null) return this.#end(...fault);
    this.#is = "open";
    this.#listener({ type: "opened", settings: {} });
  }

  request(tag: string, body: RequestBody, timeoutMs: number): void {
    if (this.#is !== "open") return;
    if (!("file" in body)) return this.#later(() => this.#refuse(tag, "exception", osConstants.errno.EOPNOTSUPP));
    if (this.#isReading) return this.#later(() => this.#refuse(tag, "busy"));
    this.#isReading = true;
    let isWaiting = true;
    this.#cancelTimeout = this.#clock.after(timeoutMs, () => {
      isWaiting = false;
      this.#refuse(tag, "timeout");
    });
    void this.#read(tag, body.file, () => {
      this.#cancelTimeout?.();
      return isWaiting;
    });
  }

  write(): void {
    // Files are only read.
  }

  signal(): void {
    // There are no control lines.
  }

  close(): void {
    this.#is = "closed";
    this.#cancelTimeout?.();
  }

  /** `stillAsked`: called when the read is over, says whether anybody waits for it. */
  async #read(tag: string, file: string, stillAsked: () => boolean): Promise<void> {
    try {
      const data = await this.#reads.take(() => (this.#is === "open" ? readBelow(this.#path, file) : Promise.resolve(new Uint8Array())));
      this.#isReading = false;
      if (stillAsked() && this.#is === "open") this.#listener({ type: "reply", tag, data, byteCount: data.byteLength });
      data.fill(0);
    } catch (error) {
      const fault = await folderFault(this.#path);
      this.#isReading = false;
      if (!stillAsked() || this.#is !== "open") return;
      // A device that was pulled takes its folder with it.
      if (fault !== null) this.#end(...fault);
      else this.#refuse(tag, "exception", errnoOf(error));
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

/** Why the folder of a device cannot be used; null when it can. */
async function folderFault(path: string): Promise<[code: PortFault, detail: string, remedy: string] | null> {
  try {
    if ((await stat(path)).isDirectory()) return null;
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
