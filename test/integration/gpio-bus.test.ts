import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createGpioBus } from "../../src/adapters/gpio/gpio-bus.ts";
import { createGpioTools } from "../../src/adapters/gpio/gpio-tools.ts";
import type { Command } from "../../src/adapters/gpio/gpiomon-dialect.ts";
import { gpiomon1 } from "../../src/adapters/gpio/gpiomon-v1.ts";
import { gpiomon2 } from "../../src/adapters/gpio/gpiomon-v2.ts";
import type { GpioLine } from "../../src/core/units/port.ts";
import type { GpioBus } from "../../src/ports/field-port.ts";
import { recorder, until } from "../contract/serial-bus.ts";
import { type FakeGpioTools, makeFakeGpioTools } from "../support/fake-gpio-tools.ts";
import { realClock } from "../support/manual-clock.ts";

const line = (name: string, more: Partial<GpioLine> = {}): GpioLine => ({
  line: { name },
  edge: "both",
  pull: "none",
  debounceMs: 0,
  ...more,
});

describe.each([1, 2] as const)("the GPIO bus with gpiomon %i", (major) => {
  let tools: FakeGpioTools;
  let bus: GpioBus;
  beforeEach(() => {
    tools = makeFakeGpioTools(major);
    bus = createGpioBus({ clock: realClock(), path: tools.path, sysfsRoot: "/nonexistent" });
  });
  afterEach(async () => {
    bus.close();
    await tools.dispose();
  });

  const watch = async (lines: Readonly<Record<string, GpioLine>>) => {
    const heard = recorder();
    const port = bus.watch(lines, heard.listener);
    await until(() => expect(heard.events.length).toBeGreaterThan(0));
    return { port, ...heard };
  };
  const version = `case $1 in --version) echo 'gpiomon (libgpiod) v${major}.0.0'; exit;; esac`;
  const banner = major === 2 ? "echo \"Monitoring line '17'...\"" : "";
  const edgeText = major === 1 ? "17 1 5 9" : "17 1 5.000000009";

  it("says which version it chose, on which chips, and what it cannot promise", async () => {
    const report = await bus.probe();
    expect(report.backend).toBe(`gpiomon-${major}`);
    expect(report.detail).toMatch(/v[12]\.\d+\.\d+; gpiochip0 is pinctrl-bcm2711/);
    expect(report.limits.length).toBeGreaterThan(0);
  });

  it("uses one process for lines that are watched alike, and another for each that is not", async () => {
    const lines = { a: line("GPIO17"), b: line("GPIO27"), c: line("GPIO22", { edge: "rising", pull: "up" }) };
    expect((await watch(lines)).types()).toEqual(["opened"]);
    expect(tools.monitors()).toHaveLength(2);
    expect(tools.monitors().join(" ")).toContain("17 27");
  });

  it("loses none of 1,000 edges on each of 8 lines that come in one burst", async () => {
    const text =
      major === 1 ? '%d 1 %d %d\\n", line, i / 1000, (i % 1000) * 1000000' : '%d 1 %d.%09d\\n", line, i / 1000, (i % 1000) * 1000000';
    const burst = `awk 'BEGIN { for (i = 0; i < 1000; i++) for (line = 0; line < 8; line++) printf "${text} }'`;
    tools.script("gpiomon", `${version}\n${banner}\n${burst}\nexec sleep 60`);
    const lines = Object.fromEntries(Array.from({ length: 8 }, (_, offset) => [`line-${offset}`, line(`GPIO${offset}`)]));
    const { events } = await watch(lines);
    await until(() => expect(events.filter(({ type }) => type === "edge")).toHaveLength(8_000));
    const last = new Map<string, bigint>();
    for (const event of events) {
      if (event.type !== "edge" || event.atNs === null) continue;
      expect(event.atNs > (last.get(event.line) ?? -1n)).toBe(true);
      last.set(event.line, event.atNs);
    }
    expect([...last.values()]).toEqual(Array.from({ length: 8 }, () => 999_000_000n));
    expect(events.some(({ type }) => type === "lost")).toBe(false);
  });

  it("tells what came before gpiomon died, that edges are lost, and why it died", async () => {
    tools.script(
      "gpiomon",
      `${version}\n${banner}\necho '${edgeText}'\necho 'gpiomon: error reading line events: No such device' >&2\nexit 1`,
    );
    const { events, closed } = await watch({ a: line("GPIO17") });
    await until(() => expect(closed()).toBeDefined());
    expect(events).toMatchObject([
      { type: "opened" },
      { type: "edge", line: "a", rising: true, atNs: 5_000_000_009n },
      { type: "lost", what: "edges", count: null },
      { type: "closed", code: "gone", detail: "gpiomon: error reading line events: No such device" },
    ]);
  });

  it("notices that a chip is gone though gpiomon goes on, and ends that gpiomon", async () => {
    const deviceRoot = join(tools.path.split(":")[0] ?? "", "dev");
    mkdirSync(deviceRoot);
    writeFileSync(join(deviceRoot, "gpiochip0"), "");
    bus = createGpioBus({ clock: realClock(), path: tools.path, sysfsRoot: "/nonexistent", deviceRoot });
    const { events, closed } = await watch({ a: line("GPIO17") });
    rmSync(join(deviceRoot, "gpiochip0"));
    await until(() => expect(closed()).toMatchObject({ code: "gone", detail: expect.stringContaining("gpiochip0 is gone") }));
    expect(events.map(({ type }) => type)).toEqual(["opened", "lost", "closed"]);
    // The line is free again: its lock is held by no gpiomon.
    expect((await watch({ a: line("GPIO17") })).types()).toEqual(["opened"]);
  });

  it("counts a line that is no edge as lost", async () => {
    tools.script("gpiomon", `${version}\n${banner}\necho '${edgeText}'\necho garbage\nexec sleep 60`);
    const { events } = await watch({ a: line("GPIO17") });
    await until(() => expect(events.at(-1)).toEqual({ type: "lost", what: "edges", count: 1 }));
    expect(events).toHaveLength(3);
  });

  it("is not open when gpiomon complains at once", async () => {
    tools.script("gpiomon", `${version}\necho 'gpiomon: error waiting for events: Permission denied' >&2\nexit 1`);
    const { events } = await watch({ a: line("GPIO17") });
    expect(events).toMatchObject([{ type: "closed", code: "permission" }]);
  });

  it("opens without levels where they cannot be read", async () => {
    tools.script("gpioget", "exit 1");
    const { events } = await watch({ a: line("GPIO17") });
    expect(events).toEqual([{ type: "opened", settings: { lines: { a: { high: null } } } }]);
  });

  it("says so when the chips may not be opened, rather than taking another way", async () => {
    tools.script("gpiodetect", "echo 'gpiodetect: unable to access GPIO chips: Permission denied' >&2\nexit 1");
    expect(await bus.probe()).toMatchObject({ backend: `gpiomon-${major}`, detail: expect.stringContaining("Permission denied") });
    const { events } = await watch({ a: { ...line("x"), line: { chip: "pinctrl-bcm2711", offset: 4 } } });
    expect(events).toMatchObject([{ type: "closed", code: "permission", remedy: expect.stringContaining("group gpio") }]);
  });

  it("refuses a label that two chips have", async () => {
    tools.script("gpiodetect", "echo 'gpiochip0 [twin] (8 lines)'; echo 'gpiochip1 [twin] (8 lines)'");
    const { events } = await watch({ a: { ...line("x"), line: { chip: "twin", offset: 4 } } });
    expect(events).toMatchObject([{ type: "closed", code: "settings", detail: expect.stringContaining("several") }]);
  });

  it("kills a gpiomon that does not end when it is asked, and starts no other before it is gone", async () => {
    tools.script("gpiomon", `${version}\ntrap '' TERM\necho $$ >"$state/first"\n${banner}\nwhile :; do sleep 0.05; done`);
    const first = await watch({ a: line("GPIO17") });
    const busy = "kill -0 $(cat $state/first) 2>/dev/null && { echo 'gpiomon: Device or resource busy' >&2; exit 1; }";
    tools.script("gpiomon", `${version}\n${busy}\n${banner}\nexec sleep 60`);
    first.port.close();
    expect((await watch({ a: line("GPIO17") })).types()).toEqual(["opened"]);
  });
});

describe("the GPIO bus", () => {
  let tools: FakeGpioTools;
  beforeEach(() => {
    tools = makeFakeGpioTools(2);
  });
  afterEach(() => tools.dispose());

  const busOn = (path: string, sysfsRoot = "/nonexistent") => createGpioBus({ clock: realClock(), path, sysfsRoot });

  it("has no backend where there is nothing, and says what to install", async () => {
    const bus = busOn("/nonexistent");
    expect(await bus.probe()).toMatchObject({ backend: "none", detail: expect.stringContaining("gpiomon is not installed") });
    const heard = recorder();
    bus.watch({ a: line("GPIO17") }, heard.listener);
    await until(() => expect(heard.events).toMatchObject([{ code: "unsupported", remedy: expect.stringContaining("gpiod") }]));
  });

  it("prefers sysfs to a gpiomon that finds no chip, and waits for a chip where sysfs has none either", async () => {
    tools.vanish();
    expect(await busOn(tools.path).probe()).toMatchObject({ backend: "gpiomon-2", detail: expect.stringContaining("no GPIO chip now") });
    const root = join(tools.path.split(":")[0] ?? "", "sysfs");
    mkdirSync(join(root, "gpiochip0"), { recursive: true });
    for (const [file, text] of Object.entries({ label: "x", base: "0", ngpio: "8" })) writeFileSync(join(root, "gpiochip0", file), text);
    expect(await busOn(tools.path, root).probe()).toMatchObject({
      backend: "onoff",
      detail: expect.stringContaining("finds no GPIO chip"),
    });
    rmSync(root, { recursive: true });
  });

  it("does not guess how to speak to a version that it does not know", async () => {
    tools.script("gpiomon", "echo 'gpiomon (libgpiod) v3.0.0'");
    expect(await busOn(tools.path).probe()).toMatchObject({ backend: "none", detail: expect.stringContaining("v3.0.0") });
  });

  it("probes by itself when it is asked to watch before", async () => {
    const bus = busOn(tools.path);
    const heard = recorder();
    const port = bus.watch({ a: line("GPIO17") }, heard.listener);
    await until(() => expect(heard.types()).toEqual(["opened"]));
    port.close();
  });
});

describe("a gpiomon that the system cannot run", () => {
  let tools: FakeGpioTools;
  beforeEach(() => {
    tools = makeFakeGpioTools(2);
  });
  afterEach(() => tools.dispose());

  /** The first `times` times that it is asked for its version, this happens instead. */
  const troubled = (times: number, trouble: string) => {
    const banner = "echo \"Monitoring line '17'...\"";
    const counted = `echo x >>$state/asked; [ $(wc -l <$state/asked) -gt ${times} ] || ${trouble}`;
    const version = `case $1 in --version) ${counted}; echo 'gpiomon (libgpiod) v2.2.1'; exit;; esac`;
    tools.script("gpiomon", `${version}\n${banner}\nexec sleep 60`);
  };
  const watch = async (bus: GpioBus) => {
    const heard = recorder();
    bus.watch({ a: line("GPIO17") }, heard.listener);
    await until(() => expect(heard.events.length).toBeGreaterThan(0));
    return heard.events[0];
  };

  it("decides nothing: each watch looks again, until it runs", async () => {
    troubled(2, "kill -KILL $$");
    const bus = createGpioBus({ clock: realClock(), path: tools.path, sysfsRoot: "/nonexistent" });
    const report = await bus.probe();
    expect(report).toMatchObject({ backend: "none", limits: ["GPIO lines cannot be watched now"] });
    expect(report.remedy).not.toContain("Install");
    // As a fault that passes, so that the link tries again soon.
    expect(await watch(bus)).toMatchObject({ type: "closed", code: "io", remedy: expect.stringContaining("tried again") });
    expect(await watch(bus)).toMatchObject({ type: "opened" });
    expect(await bus.probe()).toMatchObject({ backend: "gpiomon-2" });
    bus.close();
  });

  it("does not wait for one that hangs for ever, and does not hold it against it", { timeout: 15_000 }, async () => {
    troubled(1, "exec sleep 60");
    const bus = createGpioBus({ clock: realClock(), path: tools.path, sysfsRoot: "/nonexistent" });
    expect(await bus.probe()).toMatchObject({ backend: "none", detail: "gpiomon gave no answer within 5 s" });
    expect(await watch(bus)).toMatchObject({ type: "opened" });
    bus.close();
  });

  it("says so when a file of that name may not be run", async () => {
    const folder = tools.path.split(":")[0] ?? "";
    chmodSync(join(folder, "gpiomon"), 0o644);
    const bus = createGpioBus({ clock: realClock(), path: folder, sysfsRoot: "/nonexistent" });
    expect(await watch(bus)).toMatchObject({ type: "closed", code: "io", detail: expect.stringContaining("EACCES") });
  });
});

describe("the libgpiod tools of this machine", async () => {
  const tools = createGpioTools(process.env.PATH ?? "");
  const version = await tools.ask(["gpiomon", "--version"]);
  const dialect = version.is !== "answered" ? null : version.stdout.includes(" v1.") ? gpiomon1 : gpiomon2;

  it.skipIf(dialect === null)("understand every argument that they are given", async () => {
    if (dialect === null) return;
    // There is no such chip, so nothing is touched; arguments are read first.
    const group = { chip: "gpiochip99999", edge: "rising", pull: "up", offsets: [0] } as const;
    const commands: readonly Command[] = [dialect.read(group), dialect.watch(group), dialect.find("stoep-no-such-line")];
    for (const command of commands) {
      const answer = await tools.ask(command);
      expect(answer).toMatchObject({ is: "answered", ok: false });
      if (answer.is === "answered") expect(answer.stderr).not.toMatch(/--help|invalid|unrecognized/);
    }
  });
});
