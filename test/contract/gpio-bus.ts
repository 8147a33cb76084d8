import { afterEach, beforeEach, expect, it } from "vitest";
import type { GpioLine } from "../../src/core/units/port.ts";
import type { GpioBus } from "../../src/ports/field-port.ts";
import { recorder, until } from "./serial-bus.ts";

/** A GPIO bus with one chip of low lines, and the means to move them. `GPIO17` is line 17 of the chip, and so on from 0 to 27. */
export interface GpioBench {
  readonly bus: GpioBus;
  /** The label of the chip. */
  readonly chip: string;
  /** Moves a line. The bench's edges are a second apart, whatever the real clock says, so none is bounce. */
  move(offset: number, high: boolean): void;
  /** The chip is unplugged. */
  vanish(): void;
  /** The chip is plugged in again. */
  restore(): void;
  dispose(): Promise<void>;
}

export const named = (name: string, edge: GpioLine["edge"] = "both"): GpioLine => ({ line: { name }, edge, pull: "none", debounceMs: 10 });

/** What every `GpioBus` promises. */
export function gpioBusContract(make: () => Promise<GpioBench>): void {
  let bench: GpioBench;
  beforeEach(async () => {
    bench = await make();
    await bench.bus.probe();
  });
  afterEach(async () => {
    bench.bus.close();
    await bench.dispose();
  });

  const watch = async (lines: Readonly<Record<string, GpioLine>>) => {
    const heard = recorder();
    const port = bench.bus.watch(lines, heard.listener);
    await until(() => expect(heard.events.length).toBeGreaterThan(0));
    const edges = () => heard.events.flatMap((event) => (event.type === "edge" ? [`${event.line} ${event.rising ? "up" : "down"}`] : []));
    return { port, edges, ...heard };
  };

  it("opens: `opened` comes first, with the level of every line by its name in the config, and not from within the call", async () => {
    bench.move(27, true);
    const heard = recorder();
    bench.bus.watch({ door: named("GPIO17"), lid: named("GPIO27") }, heard.listener);
    expect(heard.events).toEqual([]);
    const lines = { door: { high: false }, lid: { high: true } };
    await until(() => expect(heard.events).toEqual([{ type: "opened", settings: { lines } }]));
  });

  it("tells edges by the line's name in the config, each line's in order", async () => {
    const { edges } = await watch({ door: named("GPIO17"), lid: named("GPIO27", "rising") });
    for (const high of [true, false, true]) bench.move(17, high);
    await until(() => expect(edges()).toEqual(["door up", "door down", "door up"]));
    bench.move(27, true);
    await until(() => expect(edges().at(-1)).toBe("lid up"));
  });

  it("finds a line by the label of its chip", async () => {
    const { edges, types } = await watch({
      tip: { line: { chip: bench.chip, offset: 5 }, edge: "both", pull: "none", debounceMs: 0 },
    });
    expect(types()).toEqual(["opened"]);
    bench.move(5, true);
    await until(() => expect(edges()).toEqual(["tip up"]));
  });

  it("answers `gone` with a remedy when there is no such line or chip", async () => {
    const line = await watch({ a: named("GPIO4"), b: named("NO_SUCH_LINE") });
    expect(line.events).toMatchObject([{ type: "closed", code: "gone", remedy: expect.stringMatching(/./) }]);
    const chip = await watch({ a: { line: { chip: "no-such-chip", offset: 1 }, edge: "both", pull: "none", debounceMs: 0 } });
    expect(chip.events).toMatchObject([{ type: "closed", code: "gone" }]);
  });

  it("answers `busy` for a line that is watched already, and the first watch goes on", async () => {
    const first = await watch({ a: named("GPIO17") });
    const second = await watch({ b: named("GPIO22"), c: named("GPIO17") });
    expect(second.events).toMatchObject([{ type: "closed", code: "busy" }]);
    bench.move(17, true);
    await until(() => expect(first.edges()).toEqual(["a up"]));
    // What the refused watch had opened is free again.
    expect((await watch({ b: named("GPIO22") })).types()).toEqual(["opened"]);
  });

  it("answers `settings` when one line is given two names", async () => {
    const { events } = await watch({ a: named("GPIO17"), b: named("GPIO17") });
    expect(events).toMatchObject([{ type: "closed", code: "settings" }]);
  });

  it("tells `closed` once and last when the chip vanishes, and opens again when it is back", async () => {
    const { closed, types } = await watch({ a: named("GPIO17"), b: named("GPIO27", "rising") });
    bench.vanish();
    await until(() => expect(closed()).toBeDefined());
    expect(types().filter((type) => type === "closed")).toHaveLength(1);
    expect(types().at(-1)).toBe("closed");
    expect((await watch({ a: named("GPIO17") })).closed()).toMatchObject({ code: "gone" });
    bench.restore();
    const again = await watch({ a: named("GPIO17") });
    expect(again.types()).toEqual(["opened"]);
  });

  it("tells nothing after `close`, however often it is called, and frees the line", async () => {
    const { port, types } = await watch({ a: named("GPIO17") });
    port.close();
    port.close();
    const again = await watch({ a: named("GPIO17") });
    expect(again.types()).toEqual(["opened"]);
    bench.move(17, true);
    await until(() => expect(again.edges()).toEqual(["a up"]));
    expect(types()).toEqual(["opened"]);
  });

  it("tells nothing to who closes while it is opening", async () => {
    const heard = recorder();
    bench.bus.watch({ a: named("GPIO17") }, heard.listener).close();
    const other = await watch({ a: named("GPIO17") });
    expect(other.types()).toEqual(["opened"]);
    expect(heard.events).toEqual([]);
  });

  it("closes every watch without a word when the bus is closed", async () => {
    const one = await watch({ a: named("GPIO17") });
    const two = await watch({ b: named("GPIO27") });
    bench.bus.close();
    bench.move(17, true);
    const other = await watch({ a: named("GPIO17"), b: named("GPIO27") });
    expect(other.types()).toEqual(["opened"]);
    expect([one.types(), two.types()]).toEqual([["opened"], ["opened"]]);
  });
}
