import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createSystemClock, type RunCommand } from "../../../src/adapters/system-clock.ts";
import { chronySays, kernelSays, rtcSays, timesyncdSays } from "../../../src/adapters/time-trust.ts";
import type { Testimony } from "../../../src/core/machine/testimony.ts";
import { DAY_MS } from "../../../src/core/units/time.ts";

const SYNCED = "D4D7D0C5,ntp.example.org,2,1700000000.000,-0.000012,0.000010,0.000030,-1.2,0.001,0.05,0.010,0.002,64.2,Normal\n";
const tracking = (id: string, name: string, stratum: number, leap: string): string =>
  `${id},${name},${stratum},1700000000.000,0.0,0.0,0.0,-1.2,0.001,0.05,0.010,0.002,64.2,${leap}\n`;

describe("chronyc -c tracking", () => {
  it.each([
    ["a server", SYNCED, "synced"],
    ["a leap second ahead", tracking("D4D7D0C5", "192.0.2.1", 3, "Insert second"), "synced"],
    ["a GPS receiver", tracking("47505300", "GPS", 1, "Normal"), "gps"],
    ["a public server of stratum 1", tracking("D4D7D0C5", "ntp1.example.org", 1, "Normal"), "synced"],
    ["not synchronised", tracking("00000000", "", 0, "Not synchronised"), "no"],
    ["its own clock, which it calls normal", tracking("7F7F0101", "", 10, "Normal"), "no"],
    ["stratum 16", tracking("D4D7D0C5", "192.0.2.1", 16, "Normal"), "no"],
    ["stratum 0", tracking("00000000", "", 0, "Normal"), "no"],
  ])("%s", (_, text, says) => {
    expect(chronySays(text)).toMatchObject({ witness: "chrony", says });
  });

  it("tells how far the clock can be off: offset, dispersion and half the delay", () => {
    expect(chronySays(SYNCED)?.errorMs).toBeCloseTo((0.000012 + 0.002 + 0.01 / 2) * 1_000, 9);
  });

  it("is no answer when chronyd does not run or says something else", () => {
    for (const text of ["", "506 Cannot talk to daemon\n", "a,b,c\n", SYNCED.replace("D4D7D0C5", "zzz")]) {
      expect(chronySays(text)).toBeNull();
    }
  });
});

describe("timedatectl", () => {
  it("says yes, no, or nothing that counts", () => {
    expect(kernelSays("yes\n")).toMatchObject({ witness: "kernel", says: "synced" });
    expect(kernelSays("no\n")).toMatchObject({ witness: "kernel", says: "no" });
    expect(kernelSays("")).toBeNull();
    expect(kernelSays("NTPSynchronized=yes\n")).toBeNull();
  });
});

describe("the flag of timesyncd", () => {
  const wallMs = 1_800_000_000_000;
  const UP_MS = 2 * DAY_MS;
  it.each([
    ["counts when it was touched a little ago", -5_000, UP_MS, true],
    ["counts for three polls at their longest", -3 * 2_048_000, UP_MS, true],
    ["does not count when timesyncd has been silent for longer", -3 * 2_048_000 - 1, UP_MS, false],
    ["counts when it seems a little older than this boot", -10_000 - 60_000, 10_000, true],
    ["does not count when it is older than this boot", -10_000 - 60_001, 10_000, false],
    ["counts when the file system rounded it up", 2_000, UP_MS, true],
    ["does not count when the clock was set back behind it", 2_001, UP_MS, false],
  ])("%s", (_, agoMs, upMs, counts) => {
    expect(timesyncdSays(wallMs + agoMs, wallMs, upMs) !== null).toBe(counts);
  });
});

describe("the RTC", () => {
  it.each([
    [0, "rtc"],
    [1, "rtc"],
    [2, "no"],
    [-2, "rtc"],
    [-3, "no"],
    [-1_800_000_000, "no"],
  ])("%d s beside the wall clock: %s", (besideS, says) => {
    expect(rtcSays(`${1_800_000_000 + besideS}\n`, 1_800_000_000_000)).toMatchObject({ witness: "rtc", says });
  });

  it("is no witness when it cannot be read", () => {
    for (const text of ["", "\n", "-5\n", "1e9\n"]) expect(rtcSays(text, 1_800_000_000_000)).toBeNull();
  });
});

describe("the system clock", () => {
  let root: string;
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  /** A machine with these programs; it remembers which were run. */
  const machine = (answers: Readonly<Record<string, string>>): { readonly ran: string[]; readonly run: RunCommand } => {
    const ran: string[] = [];
    return {
      ran,
      run: async (program) => {
        ran.push(program);
        return answers[program] ?? null;
      },
    };
  };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "stoep-clock-"));
  });
  afterEach(async () => {
    vi.useRealTimers();
    await rm(root, { recursive: true, force: true });
  });

  it("calls a boot the same whether systemd or the kernel names it", async () => {
    await put("proc/sys/kernel/random/boot_id", "3d6f5a0e-1b2c-4d3e-8f90-a1b2c3d4e5f6\n");
    const named = "3d6f5a0e1b2c4d3e8f90a1b2c3d4e5f6";
    expect(createSystemClock({ root }).bootId).toBe(named);
    expect(createSystemClock({ root: "/nowhere", bootId: named }).bootId).toBe(named);
    expect(createSystemClock({ root, bootId: "%b" }).bootId).toBe(named);
  });

  it("never takes two boots that it cannot name for one", () => {
    expect(createSystemClock({ root }).bootId).not.toBe(createSystemClock({ root }).bootId);
  });

  const says = async (clock: { testimonies(): Promise<readonly Testimony[]> }): Promise<readonly string[]> =>
    (await clock.testimonies()).map(({ witness, says: what }) => `${witness} ${what}`);

  it("asks everybody who can be asked", async () => {
    await put("run/systemd/timesync/synchronized", "");
    await put("sys/class/rtc/rtc0/since_epoch", "1000\n");
    const { ran, run } = machine({ chronyc: SYNCED, timedatectl: "no\n" });
    expect(await says(createSystemClock({ root, run }))).toEqual(["timesyncd synced", "rtc no", "chrony synced", "kernel no"]);
    expect(ran).toEqual(["chronyc", "timedatectl"]);
  });

  it("does not believe a flag from before this boot", async () => {
    await put("run/systemd/timesync/synchronized", "");
    await utimes(join(root, "run/systemd/timesync/synchronized"), 1_000, 1_000);
    expect(await says(createSystemClock({ root, run: machine({}).run }))).toEqual([]);
  });

  it("has no witness when nobody answers, or asking fails", async () => {
    expect(await says(createSystemClock({ root, run: machine({}).run }))).toEqual([]);
    const run: RunCommand = () => Promise.reject(new Error("no more processes"));
    expect(await says(createSystemClock({ root, run }))).toEqual([]);
  });

  it.each([
    ["for 30 s when a program says no, or none answers", "no\n", 30_000],
    ["for five minutes when all is well", "yes\n", 300_000],
  ])("keeps what programs say %s", async (_, answer, keptMs) => {
    vi.useFakeTimers({ toFake: ["hrtime", "Date"] });
    const { ran, run } = machine({ timedatectl: answer });
    const clock = createSystemClock({ root, run });
    await clock.testimonies();
    vi.advanceTimersByTime(keptMs - 1);
    await clock.testimonies();
    expect(ran).toEqual(["chronyc", "timedatectl"]);
    vi.advanceTimersByTime(1);
    await clock.testimonies();
    expect(ran).toHaveLength(4);
  });

  it.each([-600, 600, 86_400_000])("keeps no answer from before a step of the wall clock by %d ms", async (byMs) => {
    vi.useFakeTimers({ toFake: ["hrtime", "Date"] });
    const { ran, run } = machine({ timedatectl: "yes\n" });
    const clock = createSystemClock({ root, run });
    await clock.testimonies();
    vi.setSystemTime(Date.now() + byMs);
    await clock.testimonies();
    expect(ran).toHaveLength(4);
  });

  it("calls a task once, on time, even beyond the longest timer of Node", () => {
    vi.useFakeTimers();
    const task = vi.fn();
    createSystemClock({ root }).after(30 * DAY_MS, task);
    vi.advanceTimersByTime(30 * DAY_MS - 1);
    expect(task).not.toHaveBeenCalled();
    vi.advanceTimersByTime(2);
    vi.advanceTimersByTime(60 * DAY_MS);
    expect(task).toHaveBeenCalledOnce();
  });

  it("calls no task that was called off", () => {
    vi.useFakeTimers();
    const task = vi.fn();
    const cancel = createSystemClock({ root }).after(1_000, task);
    vi.advanceTimersByTime(999);
    cancel();
    cancel();
    vi.advanceTimersByTime(10_000);
    expect(task).not.toHaveBeenCalled();
  });

  it("counts milliseconds and nanoseconds on one clock", () => {
    const clock = createSystemClock({ root });
    const before = clock.monotonicMs();
    const between = Number(clock.monotonicNs()) / 1e6;
    const afterwards = clock.monotonicMs();
    expect(between).toBeGreaterThanOrEqual(before - 0.001);
    expect(between).toBeLessThanOrEqual(afterwards + 0.001);
  });

  it("lets other work happen while it breathes", async () => {
    const order: string[] = [];
    setImmediate(() => order.push("other"));
    await createSystemClock({ root }).breathe();
    order.push("after");
    expect(order).toEqual(["other", "after"]);
  });
});
