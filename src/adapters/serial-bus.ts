import { readSync, realpathSync, statSync } from "node:fs";
import type { SerialPort } from "serialport";
import { assert } from "../core/assert.ts";
import type { SerialSettings } from "../core/units/port.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { FieldPort, PortEvent, PortFault, PortListener, SerialBus } from "../ports/field-port.ts";
import { onDemand } from "./on-demand.ts";

/**
 * How often the path of an open port is looked at. A pulled adapter does not always give an event (node-serialport #2043), and one
 * that was pulled and put back looks whole from its path alone; a sensor must be back within 10 s of its return.
 */
export const PATH_CHECK_MS = 2_000;
/** The most that is read in one go: the kernel's tty layer hands over no more than 4 KiB. */
const READ_BYTES_MAX = 4_096;
/** The stream of the package sets so much aside for what it reads, 64 KiB by default: nothing here reads by way of it. */
const STREAM_BYTES = 128;
/** Most bytes that wait to be written. Questions to sensors are short: more means that the device takes nothing any more. */
export const WRITE_QUEUE_BYTES_MAX = 4_096;

type Closed = Extract<PortEvent, { type: "closed" }>;

/**
 * What an error of the serial package means to an operator. The package gives no error codes, only the text of the C library (in
 * English: Node never sets another locale), so the text is what is looked at.
 */
export function serialFault(detail: string, path: string): Closed {
  const fault = (code: PortFault, remedy: string): Closed => ({ type: "closed", code, detail, remedy });
  if (/no such file|no such device|i(nput)?\/o(utput)? error|bad file descriptor/i.test(detail))
    return fault("gone", `Check cable and power, and that ${path} exists: ls -l /dev/serial/by-id /dev/serial/by-path`);
  if (/permission denied|operation not permitted/i.test(detail))
    return fault("permission", `Let the user that runs Stoep open ${path}: add it to the group dialout and start Stoep again`);
  // The lock is refused with EAGAIN, an exclusive tty with EBUSY.
  if (/temporarily unavailable|resource busy/i.test(detail))
    return fault("busy", `Stop the other program that uses ${path}: fuser -v ${path}`);
  if (/inappropriate ioctl|is a directory/i.test(detail))
    return fault("unsupported", `Name a serial port: ${path} is none, or cannot do what the driver asks of it`);
  if (/baud rate|data bits|parity|stop bits/i.test(detail))
    return fault("settings", `Check the line settings of the sensor: the adapter behind ${path} cannot do them`);
  return fault("io", `Unplug the adapter behind ${path} and put it back; replace it if this returns`);
}

const NO_DEVICE = "no such device any more";

/**
 * Which device a path leads to now, links followed; null when to none. A device that was put back is another inode. Asked at once:
 * `/dev` is memory, and a detour through the thread pool costs more than the answer.
 */
function deviceBehind(path: string): string | null {
  try {
    const { dev, ino, rdev } = statSync(path);
    return `${dev}:${ino}:${rdev}`;
  } catch {
    return null;
  }
}

/** `canceled`: the port is being closed, and whoever closes it says why. */
type PollError = Error & { readonly canceled?: boolean };

/** What is used of an open port of the package, on Linux. */
interface PolledPort {
  readonly fd: number | null;
  readonly poller: {
    on(event: "readable", callback: (error: PollError | null) => void): void;
    /** Tells `readable` once. */
    poll(events: number): void;
    removeAllListeners(): void;
  };
}

const UV_READABLE = 1; // libuv, docs/src/poll.rst

// One for all ports: what is in it is passed on within the call, and zeroed.
const readBuffer = new Uint8Array(READ_BYTES_MAX);

/** The bytes that wait at a descriptor that does not block; none when there are none after all, an error when it is dead. */
function readNow(fd: number): Uint8Array | Error {
  try {
    const byteCount = readSync(fd, readBuffer);
    // A tty in raw mode gives nothing, without an error, after a hang-up only (tty(4), n_tty in the kernel).
    return byteCount === 0 ? new Error(NO_DEVICE) : readBuffer.subarray(0, byteCount);
  } catch (error) {
    const isEmpty = ["EAGAIN", "EINTR"].includes((error as NodeJS.ErrnoException).code ?? "");
    return isEmpty ? readBuffer.subarray(0, 0) : (error as Error);
  }
}

/**
 * Serial ports by way of the package `serialport` 13. What its settings mean here:
 * - `lock` is on: whoever opens the device second is refused, if it asks for the lock, too (flock). A program that does not ask can
 *   still steal bytes. And the package sets the line before it asks, so even a refused opener disturbs the first: two sensors on
 *   one device must be kept apart before they are opened, by `realPath`.
 * - `hupcl` is on: DTR falls on close, so opening again resets a board that wires it to reset. The package cannot switch it off (it
 *   only ever sets the flag); `signal("dtr", false)` after opening is what a driver can do.
 * - A byte with a parity error is dropped by the kernel, without a count: a frame's checksum has to find the gap.
 */
export function createSerialBus({ clock }: { readonly clock: Pick<Clock, "after"> }): SerialBus {
  const checks = new PathChecks(clock);
  // A file descriptor is closed on another thread: who opens the same path next waits for that, or would find it locked.
  const leaving = new Map<string, Promise<void>>();
  const leave = (path: string, released: Promise<void>): void => {
    leaving.set(path, released);
    void released.then(() => {
      if (leaving.get(path) === released) leaving.delete(path);
    });
  };
  return {
    open(path, settings, listener) {
      // Here and not later: that the package cannot be loaded is no fault of one port.
      const serialport = onDemand("serialport") as typeof import("serialport");
      const handle = new SerialHandle({ serialport, checks, path, settings, listener, onLeaving: (released) => leave(path, released) });
      void Promise.resolve(leaving.get(path)).then(() => handle.start());
      return handle;
    },
    realPath(path) {
      try {
        return realpathSync(path);
      } catch {
        return null;
      }
    },
  };
}

/** Looks at the paths of all open ports together: a process that is woken for each of them does little else. */
class PathChecks {
  readonly #clock: Pick<Clock, "after">;
  readonly #open = new Set<SerialHandle>();
  #cancel: Cancel | null = null;

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  add(handle: SerialHandle): void {
    this.#open.add(handle);
    if (this.#cancel === null) this.#later();
  }

  delete(handle: SerialHandle): void {
    this.#open.delete(handle);
    if (this.#open.size > 0) return;
    this.#cancel?.();
    this.#cancel = null;
  }

  #later(): void {
    this.#cancel = this.#clock.after(PATH_CHECK_MS, () => {
      this.#later();
      for (const handle of this.#open) handle.check();
    });
  }
}

interface HandleOptions {
  readonly serialport: typeof import("serialport");
  readonly checks: PathChecks;
  readonly path: string;
  readonly settings: SerialSettings;
  readonly listener: PortListener;
  /** Called once, when a descriptor that was open is being closed. */
  onLeaving(released: Promise<void>): void;
}

class SerialHandle implements FieldPort {
  readonly #options: HandleOptions;
  // failing: dead, but `closed` is not told yet.
  #is: "waiting" | "opening" | "open" | "failing" | "closed" = "waiting";
  #stream: SerialPort | null = null;
  #poller: PolledPort["poller"] | null = null;
  /** Settled when the attempt to open is over, either way. */
  #attempted: Promise<void> = Promise.resolve();
  #device: string | null = null;
  // Every flag is set by each call of the package, so all are remembered. The kernel raises DTR and RTS on open.
  #lines = { brk: false, dtr: true, rts: true };
  #signalled: Promise<void> = Promise.resolve();

  constructor(options: HandleOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#is !== "waiting") return;
    this.#is = "opening";
    const { serialport, path, settings } = this.#options;
    try {
      const { baudRate, dataBits = 8, parity = "none", stopBits = 1 } = settings;
      const stream = new serialport.SerialPort({
        ...{ path, baudRate, dataBits, parity, stopBits },
        autoOpen: false,
        highWaterMark: STREAM_BYTES,
      });
      this.#stream = stream;
      // Both stay for good: the package may still speak after `close`, and an error that nobody hears ends the process.
      stream.on("error", (error: Error) => this.#fail(error.message));
      stream.on("close", (error: Error | null | undefined) => this.#fail(error?.message ?? NO_DEVICE));
      this.#attempted = new Promise((resolve) => {
        stream.open((error) => {
          resolve();
          this.#opened(stream, error);
        });
      });
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  write(data: Uint8Array): void {
    const stream = this.#stream;
    if (this.#is !== "open" || stream === null) return;
    if (stream.writableLength + data.byteLength > WRITE_QUEUE_BYTES_MAX) {
      this.#fail("the device takes no bytes: the write queue is full");
      return;
    }
    // A copy: the caller may use its buffer again, and the bytes leave later.
    stream.write(Buffer.from(data), (error) => {
      if (error) this.#fail(error.message);
    });
  }

  signal(name: "break" | "dtr" | "rts", on: boolean): void {
    if (this.#is !== "open") return;
    this.#lines = { ...this.#lines, [name === "break" ? "brk" : name]: on };
    const lines = this.#lines;
    // One after the other: the package hands each call to whichever thread is free.
    this.#signalled = this.#signalled.then(() => this.#set(lines));
  }

  close(): void {
    if (this.#is === "closed") return;
    const isReleased = this.#is === "failing";
    this.#is = "closed";
    if (!isReleased) void this.#release();
  }

  #opened(stream: SerialPort, error: Error | null): void {
    if (error !== null) {
      this.#fail(error.message);
      return;
    }
    // What was said before, maybe at another speed, is not for this opening. The package itself flushes at standard speeds only.
    stream.flush((flushError) => {
      if (flushError) this.#fail(flushError.message);
      else this.#begin(stream, deviceBehind(this.#options.path));
    });
  }

  #begin(stream: SerialPort, device: string | null): void {
    const { path, settings, listener } = this.#options;
    if (this.#is !== "opening") return;
    if (device === null) {
      this.#fail(`${NO_DEVICE}: ${path}`);
      return;
    }
    this.#is = "open";
    this.#device = device;
    this.#options.checks.add(this);
    listener({ type: "opened", settings: { serial: settings } });
    if (this.#is === "open") this.#listen(stream.port as unknown as PolledPort);
  }

  /**
   * Reads for as long as the port is open. Not by the stream of the package, which asks the thread pool twice for every chunk, the
   * first time in vain: a third of what an idle node does. Opened with O_NONBLOCK, a port never lets a read wait.
   */
  #listen({ fd, poller }: PolledPort): void {
    assert(fd !== null, "a port that is open has a descriptor");
    this.#poller = poller;
    poller.on("readable", (error) => {
      if (error?.canceled === true) return;
      try {
        if (this.#is === "open") this.#read(fd, error);
        if (this.#is === "open") poller.poll(UV_READABLE);
      } catch (bug) {
        // Thrown to native code it would end the process without a word.
        queueMicrotask(() => {
          throw bug;
        });
      }
    });
    poller.poll(UV_READABLE);
  }

  #read(fd: number, error: Error | null): void {
    const data = error ?? readNow(fd);
    if (data instanceof Error) return this.#fail(data.message);
    if (data.byteLength > 0) this.#options.listener({ type: "bytes", data });
    data.fill(0);
  }

  /** Looks whether the port is still the device that was opened. */
  check(): void {
    if (this.#is !== "open") return;
    const { path } = this.#options;
    const device = deviceBehind(path);
    if (device !== this.#device) this.#fail(device === null ? `${NO_DEVICE}: ${path}` : `${NO_DEVICE}: another one stands at ${path}`);
  }

  #set(lines: { brk: boolean; dtr: boolean; rts: boolean }): Promise<void> {
    return new Promise((resolve) => {
      if (this.#is !== "open" || this.#stream === null) return resolve();
      this.#stream.set(lines, (error) => {
        if (error) this.#fail(error.message);
        resolve();
      });
    });
  }

  /** `closed` is told when the descriptor is closed, so that whoever hears it can open the path again. */
  #fail(detail: string): void {
    if (this.#is === "failing" || this.#is === "closed") return;
    this.#is = "failing";
    void this.#release().then(() => {
      if (this.#is !== "failing") return;
      this.#is = "closed";
      this.#options.listener(serialFault(detail, this.#options.path));
    });
  }

  #release(): Promise<void> {
    this.#options.checks.delete(this);
    const stream = this.#stream;
    if (stream === null) return Promise.resolve();
    const released = this.#attempted.then(
      () =>
        new Promise<void>((resolve) => {
          if (stream.isOpen) stream.close(() => resolve());
          else if (stream.closing) stream.once("close", () => resolve());
          else resolve();
        }),
    );
    // The native side of a poller is never freed, and would hold all that listens to it, for each opening of a port that flaps.
    void released.then(() => this.#poller?.removeAllListeners());
    this.#options.onLeaving(released);
    return released;
  }
}
