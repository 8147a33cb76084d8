import type { GpioLine } from "../core/units/port.ts";
import type { GpioBus, GpioPort, GpioReport, PortEvent, PortFault, PortListener } from "../ports/field-port.ts";
import type { Defer } from "./fake-serial-bus.ts";

/** A line as the fake names it: its name, or `chip:offset`. */
export const fakeLineKey = (line: GpioLine["line"]): string => ("name" in line ? line.name : `${line.chip}:${line.offset}`);

/**
 * GPIO lines without hardware, each with a level. The faults it can inject, which a node must survive: lines that are not there or
 * held by somebody else, refusal with any fault, a chip that vanishes, edges that are lost. Edges are told as they are made: bounce is
 * the business of the real backends. Events are told in the turn that `defer` chooses, never from within a call of the node.
 */
export class FakeGpioBus implements GpioBus {
  readonly #levels: Map<string, boolean>;
  readonly #defer: Defer;
  readonly #watches = new Set<FakeWatch>();
  #refuses: PortFault | null = null;

  /** `lines`: every line there is, with its level (true: high). */
  constructor(lines: Readonly<Record<string, boolean>>, { defer = queueMicrotask }: { readonly defer?: Defer } = {}) {
    this.#levels = new Map(Object.entries(lines));
    this.#defer = defer;
  }

  async probe(): Promise<GpioReport> {
    return { backend: "fake", detail: `${this.#levels.size} lines that exist nowhere`, limits: [], remedy: "" };
  }

  /** Sets the level of a line. An edge comes of it only when the level changes. */
  set(key: string, high: boolean, atNs: bigint | null = null): void {
    if (!this.#levels.has(key) || this.#levels.get(key) === high) return;
    this.#levels.set(key, high);
    for (const watch of this.#watches) watch.edge(key, high, atNs);
  }

  /** Edges of a line were lost before they reached the node. */
  lose(key: string, count: number | null): void {
    for (const watch of this.#watches) watch.lose(key, count);
  }

  /** From now on watching fails with `fault`; null: it works again. */
  refuse(fault: PortFault | null): void {
    this.#refuses = fault;
  }

  /** The line is gone, and with it every watch on it. */
  remove(key: string): void {
    this.#levels.delete(key);
    for (const watch of this.#watches) watch.removed(key);
  }

  /** The line is there (again). */
  add(key: string, high: boolean): void {
    this.#levels.set(key, high);
  }

  watch(lines: Readonly<Record<string, GpioLine>>, listener: PortListener): GpioPort {
    const watch: FakeWatch = new FakeWatch(lines, listener, this.#defer, () => this.#watches.delete(watch));
    this.#defer(() => {
      const refusal = this.#refusalOf(lines);
      if (refusal !== null) return watch.end(refusal);
      if (watch.begin((key) => this.#levels.get(key) ?? null)) this.#watches.add(watch);
    });
    return watch;
  }

  close(): void {
    for (const watch of this.#watches) watch.close();
  }

  #refusalOf(lines: Readonly<Record<string, GpioLine>>): PortFault | null {
    const keys = Object.values(lines).map(({ line }) => fakeLineKey(line));
    if (keys.some((key) => !this.#levels.has(key))) return "gone";
    if (new Set(keys).size < keys.length) return "settings";
    if ([...this.#watches].some((watch) => keys.some((key) => watch.has(key)))) return "busy";
    return this.#refuses;
  }
}

class FakeWatch implements GpioPort {
  readonly #names = new Map<string, { readonly name: string; readonly edge: GpioLine["edge"] }>();
  readonly #listener: PortListener;
  readonly #defer: Defer;
  readonly #onEnd: () => void;
  #is: "opening" | "open" | "closed" = "opening";

  constructor(lines: Readonly<Record<string, GpioLine>>, listener: PortListener, defer: Defer, onEnd: () => void) {
    for (const [name, { line, edge }] of Object.entries(lines)) this.#names.set(fakeLineKey(line), { name, edge });
    this.#listener = listener;
    this.#defer = defer;
    this.#onEnd = onEnd;
  }

  has(key: string): boolean {
    return this.#names.has(key);
  }

  begin(level: (key: string) => boolean | null): boolean {
    if (this.#is !== "opening") return false;
    this.#is = "open";
    const lines = Object.fromEntries([...this.#names].map(([key, { name }]) => [name, { high: level(key) }]));
    this.#listener({ type: "opened", settings: { lines } });
    return true;
  }

  edge(key: string, rising: boolean, atNs: bigint | null): void {
    const line = this.#names.get(key);
    if (line === undefined || (line.edge !== "both" && (line.edge === "rising") !== rising)) return;
    this.#later({ type: "edge", line: line.name, rising, atNs });
  }

  lose(key: string, count: number | null): void {
    if (this.has(key)) this.#later({ type: "lost", what: "edges", count });
  }

  removed(key: string): void {
    if (!this.has(key)) return;
    this.#onEnd();
    this.#defer(() => this.end("gone"));
  }

  end(code: PortFault): void {
    if (this.#is === "closed") return;
    this.#is = "closed";
    this.#listener({ type: "closed", code, detail: `injected: ${code}`, remedy: "This is a test." });
  }

  ignoredEdges(): number {
    return 0;
  }

  write(): void {
    // Lines are only listened to.
  }

  signal(): void {
    // There are no control lines.
  }

  close(): void {
    this.#is = "closed";
    this.#onEnd();
  }

  #later(event: PortEvent): void {
    this.#defer(() => {
      if (this.#is === "open") this.#listener(event);
    });
  }
}
