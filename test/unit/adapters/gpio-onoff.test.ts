import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createGpioBus } from "../../../src/adapters/gpio/gpio-bus.ts";
import { isPhantom, type OnoffLine, PHANTOM_MS } from "../../../src/adapters/gpio/onoff-backend.ts";
import { PRESENCE_MS } from "../../../src/adapters/gpio/presence.ts";
import { readSysfsChips, type SysfsChip, sysfsNumber } from "../../../src/adapters/gpio/sysfs-chips.ts";
import type { GpioLine } from "../../../src/core/units/port.ts";
import type { PortEvent } from "../../../src/ports/field-port.ts";
import { manualClock } from "../../support/manual-clock.ts";

const HEADER: SysfsChip = { label: "pinctrl-rp1", base: 569, lineCount: 54 };
const OTHER: SysfsChip = { label: "brcmvirt-gpio", base: 504, lineCount: 8 };

describe("the number of a line in sysfs", () => {
  it.each([
    ["pinctrl-bcm2835", 512],
    ["pinctrl-bcm2711", 0],
    ["pinctrl-rp1", 571],
  ])("counts from the base of the header's chip (%s at %i)", (label, base) => {
    expect(sysfsNumber({ name: "GPIO17" }, [OTHER, { label, base, lineCount: 54 }])).toEqual({ number: base + 17 });
  });

  it("counts from the base of the chip with the label of the config", () => {
    expect(sysfsNumber({ chip: "brcmvirt-gpio", offset: 3 }, [HEADER, OTHER])).toEqual({ number: 507 });
  });

  it.each([
    ["a chip that is not there", { chip: "x", offset: 0 }, [HEADER], "gone"],
    ["a label that two chips have", { chip: "pinctrl-rp1", offset: 0 }, [HEADER, HEADER], "settings"],
    ["an offset beyond the chip", { chip: "pinctrl-rp1", offset: 54 }, [HEADER], "settings"],
    ["a name that only libgpiod knows", { name: "RAIN" }, [HEADER], "settings"],
    ["a header's name where there is no Raspberry Pi", { name: "GPIO17" }, [OTHER], "settings"],
  ] as const)("is unknown for %s", (_name, line, chips, is) => {
    expect(sysfsNumber(line, chips)).toMatchObject({ is });
  });
});

describe("a first edge", () => {
  it("is not real when it comes at once and changes nothing", () => {
    expect(isPhantom(true, 0, true, true)).toBe(true);
    expect(isPhantom(true, 0, true, false)).toBe(false);
    expect(isPhantom(true, PHANTOM_MS, true, true)).toBe(false);
    expect(isPhantom(false, 0, true, true)).toBe(false);
  });
});

/** Stands in for a `Gpio` of onoff, whose path is fixed. */
class FakeOnoff implements OnoffLine {
  level: 0 | 1 = 0;
  unexported = false;
  callback: ((error: Error | null, value: 0 | 1) => void) | null = null;
  readSync(): 0 | 1 {
    return this.level;
  }
  watch(callback: (error: Error | null, value: 0 | 1) => void): void {
    this.callback = callback;
  }
  unexport(): void {
    this.unexported = true;
    this.callback = null;
  }
}

describe("the onoff backend", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "stoep-sysfs-"));
    addChip("gpiochip512", "pinctrl-bcm2711", 512, 58);
    addChip("gpiochip570", "raspberrypi-exp-gpio", 570, 8);
    writeFileSync(join(root, "export"), "");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  function addChip(name: string, label: string, base: number, lineCount: number): void {
    mkdirSync(join(root, name));
    for (const [file, text] of Object.entries({ label, base, ngpio: lineCount })) writeFileSync(join(root, name, file), `${text}\n`);
  }

  const line = (name: string, more: Partial<GpioLine> = {}): GpioLine => ({
    line: { name },
    edge: "both",
    pull: "none",
    debounceMs: 0,
    ...more,
  });

  function makeBus(refusal: string | null = null) {
    const clock = manualClock();
    const opened = new Map<number, FakeOnoff>();
    let loads = 0;
    const bus = createGpioBus({
      clock,
      path: "/nonexistent",
      sysfsRoot: root,
      loadOnoff: async () => {
        loads++;
        return (number) => {
          if (refusal !== null) throw new Error(refusal);
          const gpio = new FakeOnoff();
          opened.set(number, gpio);
          return gpio;
        };
      },
    });
    const watch = async (lines: Readonly<Record<string, GpioLine>>) => {
      const events: PortEvent[] = [];
      const port = bus.watch(lines, (event) => events.push(event));
      // Files are read on other threads: give them turns.
      for (let turn = 0; turn < 1_000_000 && events.length === 0; turn++) await clock.breathe();
      return { events, port };
    };
    return { bus, clock, opened, watch, loads: () => loads };
  }

  it("reads the chips, and passes over what is none", async () => {
    mkdirSync(join(root, "gpiochip9"));
    mkdirSync(join(root, "gpio529"));
    expect(await readSysfsChips(root)).toEqual([
      { label: "pinctrl-bcm2711", base: 512, lineCount: 58 },
      { label: "raspberrypi-exp-gpio", base: 570, lineCount: 8 },
    ]);
    expect(await readSysfsChips(join(root, "missing"))).toEqual([]);
  });

  it("is chosen when there is no gpiomon, says why and what it cannot do, and loads onoff only for a watch", async () => {
    const { bus, loads, watch } = makeBus();
    const report = await bus.probe();
    expect(report).toMatchObject({ backend: "onoff", detail: expect.stringMatching(/gpiomon is not installed.*pinctrl-bcm2711 from 512/) });
    expect(report.limits.length).toBeGreaterThan(0);
    expect(report.remedy).toMatch(/gpiod/);
    expect(loads()).toBe(0);
    await watch({ a: line("GPIO17") });
    expect(loads()).toBe(1);
  });

  it("tells levels and edges without stamps, and drops the phantom", async () => {
    const { watch, opened, clock } = makeBus();
    const { events, port } = await watch({ a: line("GPIO17") });
    opened.get(529)?.callback?.(null, 0);
    opened.get(529)?.callback?.(null, 1);
    clock.advance(500);
    opened.get(529)?.callback?.(null, 0);
    expect(events).toEqual([
      { type: "opened", settings: { lines: { a: { high: false } } } },
      { type: "edge", line: "a", rising: true, atNs: null },
      { type: "edge", line: "a", rising: false, atNs: null },
    ]);
    expect(port.ignoredEdges()).toBe(1);
  });

  it("frees its lines on close, and refuses a line that is watched", async () => {
    const { watch, opened } = makeBus();
    const first = await watch({ a: line("GPIO17") });
    expect((await watch({ b: line("GPIO22"), c: line("GPIO17") })).events).toMatchObject([{ type: "closed", code: "busy" }]);
    expect(opened.get(534)?.unexported).toBe(true);
    expect(opened.get(529)?.unexported).toBe(false);
    first.port.close();
    expect(opened.get(529)?.unexported).toBe(true);
    expect((await watch({ c: line("GPIO17") })).events).toMatchObject([{ type: "opened" }]);
  });

  it("refuses a pull that it cannot set, with what to do instead", async () => {
    const { watch } = makeBus();
    expect((await watch({ a: line("GPIO17", { pull: "up" }) })).events).toMatchObject([
      { type: "closed", code: "unsupported", remedy: expect.stringContaining("config.txt") },
    ]);
  });

  it.each([
    ["EACCES: permission denied, open '/sys/class/gpio/export'", "permission"],
    ["EBUSY: resource busy or locked, write", "busy"],
    ["EINVAL: invalid argument, write", "settings"],
  ])("turns what onoff throws (%s) into %s", async (message, code) => {
    const { watch } = makeBus(message);
    expect((await watch({ a: line("GPIO17") })).events).toMatchObject([{ type: "closed", code }]);
  });

  it("closes when the line is gone from sysfs, though onoff says nothing, and bears that it cannot be given back", async () => {
    const { watch, opened, clock } = makeBus();
    mkdirSync(join(root, "gpio529"));
    const { events } = await watch({ a: line("GPIO17") });
    const gpio = opened.get(529);
    if (gpio === undefined) throw new Error("line 529 was not opened");
    gpio.unexport = () => {
      throw new Error("EINVAL: invalid argument, write");
    };
    for (let turn = 0; turn < 1_000_000 && clock.waiting === 0; turn++) await clock.breathe();
    rmSync(join(root, "gpio529"), { recursive: true });
    clock.advance(PRESENCE_MS - 1);
    expect(events).toHaveLength(1);
    clock.advance(1);
    for (let turn = 0; turn < 1_000_000 && events.length < 3; turn++) await clock.breathe();
    expect(events.slice(1)).toMatchObject([
      { type: "lost", what: "edges", count: null },
      { type: "closed", code: "gone", detail: expect.stringContaining("gpio529 is gone") },
    ]);
    expect((await watch({ a: line("GPIO17") })).events).toMatchObject([{ type: "opened" }]);
  });

  it("goes on looking while the line is there, and no longer once it is closed", async () => {
    const { watch, clock } = makeBus();
    mkdirSync(join(root, "gpio529"));
    const { events, port } = await watch({ a: line("GPIO17") });
    for (let look = 0; look < 3; look++) {
      for (let turn = 0; turn < 1_000_000 && clock.waiting === 0; turn++) await clock.breathe();
      clock.advance(PRESENCE_MS);
    }
    for (let turn = 0; turn < 1_000_000 && clock.waiting === 0; turn++) await clock.breathe();
    expect(events).toHaveLength(1);
    port.close();
    expect(clock.waiting).toBe(0);
  });

  it("closes when onoff reports an error later", async () => {
    const { watch, opened } = makeBus();
    const { events } = await watch({ a: line("GPIO17") });
    const gpio = opened.get(529);
    gpio?.callback?.(new Error("ENODEV: no such device"), 0);
    expect(events.at(-1)).toMatchObject({ type: "closed", code: "gone" });
    expect(gpio?.unexported).toBe(true);
  });
});
