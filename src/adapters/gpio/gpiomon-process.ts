import { delimiterFramer } from "../../core/framing/delimiter-framer.ts";
import type { FrameSink } from "../../core/framing/framer.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Edge } from "./debounce.ts";
import type { GpioTools, ToolProcess } from "./gpio-tools.ts";
import type { GpiomonDialect, LineGroup } from "./gpiomon-dialect.ts";

/** gpiomon 1 says nothing when it watches, but complains at once when it cannot. */
export const COMPLAINT_MS = 200;
/** How long a gpiomon that was asked to end may take before it is killed. */
const END_MS_MAX = 1_000;
/** Longest line that is read: the banner names up to 64 lines. */
const LINE_BYTES_MAX = 1_024;
/** How much of a complaint is kept. */
const COMPLAINT_CHARACTERS_MAX = 1_000;

export interface GpiomonOptions {
  readonly clock: Pick<Clock, "after">;
  readonly tools: GpioTools;
  readonly dialect: GpiomonDialect;
  readonly group: LineGroup;
  /** Told once, before or with the first edge. */
  onReady(): void;
  onEdge(offset: number, edge: Edge): void;
  /** A line that is no edge: one was lost, or more. */
  onGarbled(): void;
  /** Told once, after every edge that it printed; not when it was stopped by us. `wasReady`: it had watched. */
  onEnded(detail: string, wasReady: boolean): void;
}

/** One gpiomon: a child process that watches lines of one chip until it is stopped. */
export class GpiomonProcess {
  readonly #options: GpiomonOptions;
  readonly #child: ToolProcess;
  readonly #ended: Promise<void>;
  #is: "starting" | "ready" | "stopped" = "starting";
  #cancelReady: Cancel | null = null;
  #complaint = "";

  constructor(options: GpiomonOptions) {
    this.#options = options;
    const { clock, tools, dialect, group } = options;
    const child = tools.start(dialect.watch(group));
    this.#child = child;
    const framer = delimiterFramer({ frameBytesMax: LINE_BYTES_MAX });
    const sink: FrameSink = {
      frame: (bytes, start, length) => this.#line(Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString("latin1")),
      discard: () => options.onGarbled(),
    };
    child.stdout.on("data", (data: Buffer) => {
      if (this.#is !== "stopped") framer.push(data, sink);
    });
    child.stderr.on("data", (data: Buffer) => {
      this.#complaint = (this.#complaint + data.toString()).slice(0, COMPLAINT_CHARACTERS_MAX);
    });
    this.#ended = new Promise((resolve) => {
      // `close` comes after the last of its output, and after a start that failed, too.
      child.once("close", (code, signal) => {
        resolve();
        this.#end(this.#complaint.trim() || `gpiomon ended by itself (${signal ?? `exit ${code}`})`);
      });
      child.on("error", (error) => {
        this.#complaint ||= error.message;
      });
    });
    if (!dialect.saysReady) this.#cancelReady = clock.after(COMPLAINT_MS, () => this.#ready());
  }

  /** Ends the process, without a word to anybody; settles when its lines are free again. */
  stop(): Promise<void> {
    this.#is = "stopped";
    this.#cancelReady?.();
    this.#child.kill("SIGTERM");
    const cancelKill = this.#options.clock.after(END_MS_MAX, () => this.#child.kill("SIGKILL"));
    return this.#ended.finally(cancelKill);
  }

  #line(text: string): void {
    if (this.#is === "stopped") return;
    const edge = this.#options.dialect.parseEdge(text);
    if (edge === null) {
      // The banner, or something that we do not know: then an edge may have been in it.
      if (this.#is === "starting" && this.#options.dialect.saysReady) this.#ready();
      else this.#options.onGarbled();
      return;
    }
    this.#ready();
    this.#options.onEdge(edge.offset, edge);
  }

  #ready(): void {
    if (this.#is !== "starting") return;
    this.#is = "ready";
    this.#cancelReady?.();
    this.#options.onReady();
  }

  #end(detail: string): void {
    if (this.#is === "stopped") return;
    const wasReady = this.#is === "ready";
    this.#is = "stopped";
    this.#cancelReady?.();
    this.#options.onEnded(detail, wasReady);
  }
}
