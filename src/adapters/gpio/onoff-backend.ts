import { join } from "node:path";
import type { Clock } from "../../ports/clock.ts";
import { gpioClosed, gpioFault } from "./gpio-fault.ts";
import type { GpioBackend } from "./gpiomon-backend.ts";
import { edgeToWatch, type GpioLines, type LineSink } from "./line-watch.ts";
import { watchPresence } from "./presence.ts";
import { readSysfsChips, sysfsNumber } from "./sysfs-chips.ts";

/** What is used of a `Gpio` of onoff. */
export interface OnoffLine {
  readSync(): 0 | 1;
  watch(callback: (error: Error | null | undefined, value: 0 | 1) => void): void;
  unexport(): void;
}

/** Exports the line with this number and opens it as an input. Throws. */
export type OpenOnoff = (number: number, edge: "rising" | "falling" | "both") => OnoffLine;

/** Loads onoff only when it is needed: loading it loads native code. */
export async function loadOnoff(): Promise<OpenOnoff> {
  const { Gpio } = await import("onoff");
  return (number, edge) => new Gpio(number, "in", edge);
}

/**
 * sysfs reports an edge when polling begins, real or not (onoff #191). One that comes this soon and only confirms the level that was
 * read before is not real.
 */
export const PHANTOM_MS = 100;

export const isPhantom = (isFirst: boolean, sinceWatchMs: number, high: boolean, wasHigh: boolean): boolean =>
  isFirst && sinceWatchMs < PHANTOM_MS && high === wasHigh;

export const ONOFF_LIMITS: readonly string[] = [
  "edges that follow each other faster than this process looks are lost unseen: for slow contacts only, not for anemometers",
  "edges carry no time stamp of the kernel",
  "pulls cannot be set: they stay as the firmware set them",
  "opening a line can block the node for some milliseconds",
];

const PULL_REMEDY = "Install the package gpiod; or set the pull in /boot/firmware/config.txt (gpio=17=ip,pu) and say pull: none";

/** A line whose chip is gone cannot be given back: the kernel has taken it away already, and says so. */
function release(gpio: OnoffLine): void {
  try {
    gpio.unexport();
  } catch {
    // Gone.
  }
}

export interface OnoffOptions {
  readonly clock: Pick<Clock, "after" | "monotonicMs">;
  readonly sysfsRoot: string;
  readonly load: () => Promise<OpenOnoff>;
}

/** Watches lines by way of onoff and sysfs, where there is nothing better. */
export class OnoffBackend implements GpioBackend {
  readonly #options: OnoffOptions;
  /** sysfs knows no owner of a line, so ours are remembered. */
  readonly #held = new Set<number>();

  constructor(options: OnoffOptions) {
    this.#options = options;
  }

  watch(lines: GpioLines, sink: LineSink): () => void {
    const stops: (() => void)[] = [];
    const stopAll = (): void => {
      for (const stop of stops.splice(0)) stop();
    };
    this.#start(lines, sink, stops).catch((error: unknown) => {
      sink.closed(gpioFault(error instanceof Error ? error.message : String(error)));
    });
    return stopAll;
  }

  async #start(lines: GpioLines, sink: LineSink, stops: (() => void)[]): Promise<void> {
    const { clock, sysfsRoot, load } = this.#options;
    const chips = await readSysfsChips(sysfsRoot);
    const open = await load();
    if (!sink.isWanted) return;
    const files: string[] = [];
    const opened: { name: string; gpio: OnoffLine; wasHigh: boolean }[] = [];
    for (const [name, { line, edge, pull, debounceMs }] of Object.entries(lines)) {
      if (pull !== "none") return sink.closed(gpioClosed("unsupported", `sysfs cannot pull the line ${name} ${pull}`, PULL_REMEDY));
      const found = sysfsNumber(line, chips);
      if ("problem" in found) return sink.closed(gpioClosed(found.is, found.problem));
      if (this.#held.has(found.number)) return sink.closed(gpioClosed("busy", `another sensor watches line ${name}`));
      const gpio = open(found.number, edgeToWatch({ edge, debounceMs }));
      this.#held.add(found.number);
      files.push(join(sysfsRoot, `gpio${found.number}`));
      stops.push(() => {
        this.#held.delete(found.number);
        release(gpio);
      });
      opened.push({ name, gpio, wasHigh: gpio.readSync() === 1 });
    }
    stops.push(
      watchPresence(clock, files, (file) => {
        sink.lost(null);
        sink.closed(gpioClosed("gone", `${file} is gone`));
      }),
    );
    sink.opened(Object.fromEntries(opened.map(({ name, wasHigh }) => [name, { high: wasHigh }])));
    for (const { name, gpio, wasHigh } of opened) if (sink.isWanted) this.#listen(name, gpio, wasHigh, sink);
  }

  #listen(name: string, gpio: OnoffLine, wasHigh: boolean, sink: LineSink): void {
    const { clock } = this.#options;
    const sinceMs = clock.monotonicMs();
    let isFirst = true;
    gpio.watch((error, value) => {
      if (error) return sink.closed(gpioFault(error.message));
      const high = value === 1;
      if (isPhantom(isFirst, clock.monotonicMs() - sinceMs, high, wasHigh)) sink.ignored();
      else sink.edge(name, high, null);
      isFirst = false;
    });
  }
}
