import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { SerialSettings } from "../../src/core/units/port.ts";
import type { PortEvent, SerialBus } from "../../src/ports/field-port.ts";

/** A serial bus with one device behind `path`, and the means to play that device. */
export interface SerialBench {
  readonly bus: SerialBus;
  readonly path: string;
  readonly missingPath: string;
  feed(data: Uint8Array): void | Promise<void>;
  /** What the device has been told since the last call. */
  received(): Uint8Array;
  cut(): Promise<void>;
  restore(): Promise<void>;
  dispose(): Promise<void>;
}

export const SETTINGS: SerialSettings = { baudRate: 9_600, dataBits: 8, parity: "none", stopBits: 1 };

/** Keeps what a port tells; bytes are copied, since they are only valid during the call. */
export function recorder() {
  const events: PortEvent[] = [];
  const listener = (event: PortEvent): void => {
    events.push(event.type === "bytes" ? { type: "bytes", data: event.data.slice() } : event);
  };
  return {
    events,
    listener,
    types: () => events.map(({ type }) => type),
    bytes: () => Buffer.concat(events.flatMap((event) => (event.type === "bytes" ? [event.data] : []))),
    closed: () => events.find((event) => event.type === "closed"),
  };
}

/** Waits for what happens outside this process; at once where nothing does. */
export const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5_000, interval: 2 });

/** What every `SerialBus` promises. */
export function serialBusContract(make: () => Promise<SerialBench>): void {
  let bench: SerialBench;
  beforeEach(async () => {
    bench = await make();
  });
  afterEach(() => bench.dispose());

  const open = async (path = bench.path) => {
    const heard = recorder();
    const port = bench.bus.open(path, SETTINGS, heard.listener);
    await until(() => expect(heard.events.length).toBeGreaterThan(0));
    return { port, ...heard };
  };

  it("opens: `opened` comes first, with the settings, and not from within the call", async () => {
    const heard = recorder();
    const port = bench.bus.open(bench.path, SETTINGS, heard.listener);
    expect(heard.events).toEqual([]);
    await until(() => expect(heard.events).toEqual([{ type: "opened", settings: { serial: SETTINGS } }]));
    port.close();
  });

  it("passes every byte on, unchanged and in order", async () => {
    const { port, bytes } = await open();
    const data = Uint8Array.from({ length: 1_024 }, (_, index) => index & 0xff);
    await bench.feed(data);
    await until(() => expect(bytes().equals(data)).toBe(true));
    port.close();
  });

  it("writes to the device, and the caller may use its buffer again at once", async () => {
    const { port } = await open();
    const question = Uint8Array.of(0, 1, 2, 0xff, 0x0a, 0x0d);
    // The second has to wait for the first.
    for (let round = 0; round < 2; round++) port.write(question);
    question.fill(9);
    const told: number[] = [];
    await until(() => {
      told.push(...bench.received());
      expect(told).toEqual([0, 1, 2, 0xff, 0x0a, 0x0d, 0, 1, 2, 0xff, 0x0a, 0x0d]);
    });
    port.close();
  });

  it("answers `gone` with a remedy when there is nothing behind the path", async () => {
    const { events, closed } = await open(bench.missingPath);
    expect(events).toHaveLength(1);
    expect(closed()).toMatchObject({ code: "gone", remedy: expect.stringMatching(/./) });
    expect(bench.bus.realPath(bench.missingPath)).toBeNull();
  });

  it("answers `busy` to a second opener, and the first stays open", async () => {
    const first = await open();
    const second = await open();
    expect(second.closed()).toMatchObject({ code: "busy" });
    await bench.feed(Uint8Array.of(42));
    await until(() => expect([...first.bytes()]).toEqual([42]));
    first.port.close();
  });

  it("tells `closed` once and last when the device goes, and opens again under the same path when it is back", async () => {
    const { events, closed, types } = await open();
    await bench.cut();
    await until(() => expect(closed()).toMatchObject({ code: "gone" }));
    expect(types().filter((type) => type === "closed")).toHaveLength(1);
    expect(types().at(-1)).toBe("closed");
    await bench.restore();
    const again = await open();
    expect(again.types()).toEqual(["opened"]);
    await bench.feed(Uint8Array.of(7));
    await until(() => expect([...again.bytes()]).toEqual([7]));
    expect(events.at(-1)?.type).toBe("closed");
    again.port.close();
  });

  it("tells nothing after `close`, however often it is called", async () => {
    const { port, types } = await open();
    await bench.feed(Uint8Array.of(1, 2, 3));
    port.close();
    port.close();
    const told = types().length;
    await bench.feed(Uint8Array.of(4));
    const other = await open();
    await bench.cut();
    await until(() => expect(other.closed()).toBeDefined());
    expect(types()).toHaveLength(told);
  });

  it("tells nothing to who closes while it is opening", async () => {
    const heard = recorder();
    bench.bus.open(bench.path, SETTINGS, heard.listener).close();
    const other = await open();
    expect(other.types()).toEqual(["opened"]);
    expect(heard.events).toEqual([]);
    other.port.close();
  });

  it("opens again at once after `close`, as a change of settings does", async () => {
    const first = await open();
    first.port.close();
    const second = await open();
    expect(second.types()).toEqual(["opened"]);
    second.port.close();
  });

  it("ignores what is asked of a closed port", async () => {
    const { port, events } = await open();
    port.close();
    port.write(Uint8Array.of(1));
    port.signal("break", true);
    const other = await open();
    expect(bench.received()).toHaveLength(0);
    expect(events).toHaveLength(1);
    other.port.close();
  });

  it("says which device is behind a path", () => {
    const real = bench.bus.realPath(bench.path);
    expect(real).not.toBeNull();
    expect(bench.bus.realPath(real ?? "")).toBe(real);
  });
}
