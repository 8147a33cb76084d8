import type { NoReplyReason, RequestBody } from "../core/units/port.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { AskedPort, FileBus, PortFault, PortListener } from "../ports/field-port.ts";

/** What is in a file of a device: text, an error number of the system, or a read that never ends. */
export type FakeFile = string | { readonly errno: number } | "stuck";

const ENOENT = 2;
const EOPNOTSUPP = 95;

/**
 * Folders of devices without a kernel. A folder is there once it was put there. The faults it can inject, which a node must survive:
 * a device that is pulled, at rest or while it is read, a read that fails, one that takes its time, and one that never ends. Events
 * are told in turns of the clock, never from within a call of the node.
 */
export class FakeFileBus implements FileBus {
  readonly #clock: Pick<Clock, "after">;
  readonly #folders = new Map<string, Map<string, FakeFile>>();
  readonly #readMs: number;

  /** `readMs`: how long a read takes. */
  constructor({ clock, readMs = 0 }: { readonly clock: Pick<Clock, "after">; readonly readMs?: number }) {
    this.#clock = clock;
    this.#readMs = readMs;
  }

  /** A device with these files; files that it had before stay. */
  put(path: string, files: Readonly<Record<string, FakeFile>>): void {
    const known = this.#folders.get(path) ?? new Map<string, FakeFile>();
    for (const [name, file] of Object.entries(files)) known.set(name, file);
    this.#folders.set(path, known);
  }

  /** The device is pulled: the kernel takes its folder away. A port hears of it with its next read. */
  pull(path: string): void {
    this.#folders.delete(path);
  }

  open(path: string, listener: PortListener): AskedPort {
    const port = new FakeFilePort(() => this.#folders.get(path) ?? null, listener, this.#clock, this.#readMs);
    this.#clock.after(0, () => port.start());
    return port;
  }
}

class FakeFilePort implements AskedPort {
  readonly #folder: () => ReadonlyMap<string, FakeFile> | null;
  readonly #listener: PortListener;
  readonly #clock: Pick<Clock, "after">;
  readonly #readMs: number;
  #is: "opening" | "open" | "closed" = "opening";
  #isReading = false;

  constructor(folder: () => ReadonlyMap<string, FakeFile> | null, listener: PortListener, clock: Pick<Clock, "after">, readMs: number) {
    this.#folder = folder;
    this.#listener = listener;
    this.#clock = clock;
    this.#readMs = readMs;
  }

  start(): void {
    if (this.#is !== "opening") return;
    if (this.#folder() === null) return this.#end("gone");
    this.#is = "open";
    this.#listener({ type: "opened", settings: {} });
  }

  request(tag: string, body: RequestBody, timeoutMs: number): void {
    if (this.#is !== "open") return;
    if (!("file" in body)) return void this.#clock.after(0, () => this.#refuse(tag, "exception", EOPNOTSUPP));
    if (this.#isReading) return void this.#clock.after(0, () => this.#refuse(tag, "busy"));
    this.#isReading = true;
    let isWaiting = true;
    const cancel: Cancel = this.#clock.after(timeoutMs, () => {
      isWaiting = false;
      this.#refuse(tag, "timeout");
    });
    if (this.#folder()?.get(body.file) === "stuck") return;
    this.#clock.after(this.#readMs, () => {
      this.#isReading = false;
      cancel();
      if (isWaiting && this.#is === "open") this.#finish(tag, body.file);
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
  }

  #finish(tag: string, name: string): void {
    const folder = this.#folder();
    if (folder === null) return this.#end("gone");
    const file = folder.get(name);
    if (file === undefined) this.#refuse(tag, "exception", ENOENT);
    else if (typeof file !== "string") this.#refuse(tag, "exception", file.errno);
    else {
      const data = new TextEncoder().encode(file);
      this.#listener({ type: "reply", tag, data, byteCount: data.byteLength });
    }
  }

  #refuse(tag: string, reason: NoReplyReason, code?: number): void {
    if (this.#is === "open") this.#listener({ type: "noReply", tag, reason, ...(code === undefined ? {} : { code }) });
  }

  #end(code: PortFault): void {
    this.#is = "closed";
    this.#listener({ type: "closed", code, detail: `injected: ${code}`, remedy: "This is a test." });
  }
}
