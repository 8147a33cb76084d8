import type { GpioLine, NoReplyReason, OpenedPort, RequestBody, SerialSettings } from "../core/units/port.ts";

/** What a port in the field tells. Times are the runtime's business, but an edge brings the kernel's own where there is one. */
export type PortEvent =
  | { readonly type: "opened"; readonly settings: OpenedPort }
  /** `data` is only valid during the call. */
  | { readonly type: "bytes"; readonly data: Uint8Array }
  | { readonly type: "edge"; readonly line: string; readonly rising: boolean; readonly atNs: bigint | null }
  /** Edges or bytes that are known to be lost before they reached us. */
  | { readonly type: "lost"; readonly what: "edges" | "bytes"; readonly count: number | null }
  /** The answer to a request: what was asked for, of a frame of `byteCount` bytes. `data` is only valid during the call. */
  | { readonly type: "reply"; readonly tag: string; readonly data: Uint8Array; readonly byteCount: number }
  | { readonly type: "noReply"; readonly tag: string; readonly reason: NoReplyReason; readonly code?: number }
  /** Final: the handle is dead. Also the answer to an open that failed. `remedy` is for the operator. */
  | { readonly type: "closed"; readonly code: PortFault; readonly detail: string; readonly remedy: string };

/** Why a port is closed. `gone`: unplugged or never there. */
export type PortFault = "gone" | "permission" | "busy" | "settings" | "io" | "asked" | "ended" | "unsupported";

export type PortListener = (event: PortEvent) => void;

/** An open (or opening) port. No method throws; trouble arrives as `closed`. */
export interface FieldPort {
  write(data: Uint8Array): void;
  signal(name: "break" | "dtr" | "rts", on: boolean): void;
  /**
   * Asks; `reply` or `noReply` with the same tag follows, never from within the call, unless the port closes before. Absent: this port
   * cannot tell which bytes answer which question.
   */
  request?(tag: string, body: RequestBody, timeoutMs: number): void;
  /** Closes; no event follows. Idempotent. */
  close(): void;
}

/** Serial ports. */
export interface SerialBus {
  /** Opens `path` by its stable name. `opened` or `closed` follows, never from within the call. */
  open(path: string, settings: SerialSettings, listener: PortListener): FieldPort;
  /** The device behind a path, with links followed, or null when there is none: two sensors may not share one. */
  realPath(path: string): string | null;
}

/** Which backend works GPIO lines on this machine, and why that one. */
export interface GpioReport {
  readonly backend: "gpiomon-2" | "gpiomon-1" | "onoff" | "fake" | "none";
  readonly detail: string;
  /** What this backend cannot promise; empty when it can do everything. */
  readonly limits: readonly string[];
  /** What gives a better backend; empty when this is the best that Stoep knows. */
  readonly remedy: string;
}

/** Watched GPIO lines. */
export interface GpioPort extends FieldPort {
  /** Edges seen so far that were not told, because they were bounce or not real. */
  ignoredEdges(): number;
}

/** GPIO lines. */
export interface GpioBus {
  /** Finds out what there is. Called before the first `watch`. */
  probe(): Promise<GpioReport>;
  /** Watches the lines of one sensor. `opened` or `closed` follows, never from within the call. */
  watch(lines: Readonly<Record<string, GpioLine>>, listener: PortListener): GpioPort;
  /** Stops watching everything; no event follows. */
  close(): void;
}

/** A port that can be asked, such as one on a shared bus. */
export type AskedPort = FieldPort & Required<Pick<FieldPort, "request">>;

/** Folders of files that the kernel makes of devices, such as those of 1-Wire. */
export interface FileBus {
  /** Stands on the folder at `path`. `opened` or `closed` follows, never from within the call. Its requests are names of files there. */
  open(path: string, listener: PortListener): AskedPort;
}

/** Captures played back as if they were a port. */
export interface ReplayBus {
  open(replay: { readonly file: string; readonly speed: number; readonly repeat: boolean }, listener: PortListener): FieldPort;
}
