import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createSystemClock, type RunCommand } from "../../../src/adapters/system-clock.ts";
import { flagIsOfThisBoot, parseChronyTracking, parseTimedatectl } from "../../../src/adapters/time-trust.ts";
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
    ["not synchronised", tracking("00000000", "", 0, "Not synchronised"), null],
    ["its own clock, which it calls normal", tracking("7F7F0101", "", 10, "Normal"), null],
    ["stratum 16", tracking("D4D7D0C5", "192.0.2.1", 16, "Normal"), null],
    ["stratum 0", tracking("00000000", "", 0, "Normal"), null],
  ])("%s", (_, text, vouched) => {
    expect(parseChronyTracking(text)).toBe(vouched);
  });

  it("is no answer when chronyd does not run or says something else", () => {
    for (const text of ["", "506 Cannot talk to daemon\n", "a,b,c\n", SYNCED.replace("D4D7D0C5", "zzz")]) {
      expect(parseChronyTracking(text)).toBeUndefined();
    }
  });
});

describe("timedatectl", () => {
  it("says yes, no, or nothing that counts", () => {
    expect(parseTimedatectl("yes\n")).toBe("synced");
    expect(parseTimedatectl("no\n")).toBeNull();
    expect(parseTimedatectl("")).toBeUndefined();
    expect(parseTimedatectl("NTPSynchronized=yes\n")).toBeUndefined();
  });
});

describe("the flag of timesyncd", () => {
  const wallMs = 1_800_000_000_000;
  it("counts when it was touched in this boot", () => {
    expect(flagIsOfThisBoot(wallMs - 5_000, wallMs, 10_000)).toBe(true);
  });
  it("does not count when it is older than this boot by more than a slewed clock explains", () => {
    expect(flagIsOfThisBoot(wallMs - 10_000 - 59_999, wallMs, 10_000)).toBe(true);
    expect(flagIsOfThisBoot(wallMs - 10_000 - 60_001, wallMs, 10_000)).toBe(false);
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

  it("asks nobody when timesyncd says that it has synchronised", async () => {
    await put("run/systemd/timesync/synchronized", "");
    const { ran, run } = machine({ timedatectl: "no\n" });
    expect(await createSystemClock({ root, run }).wallTrust()).toBe("synced");
    expect(ran).toEqual([]);
  });

  it("does not believe a flag from before this boot", async () => {
    await put("run/systemd/timesync/synchronized", "");
    await utimes(join(root, "run/systemd/timesync/synchronized"), 1_000, 1_000);
    expect(await createSystemClock({ root, run: machine({}).run }).wallTrust()).toBeNull();
  });

  it("believes chrony before the kernel, and the kernel when there is no chrony", async () => {
    const both = machine({ chronyc: tracking("7F7F0101", "", 10, "Normal"), timedatectl: "yes\n" });
    expect(await createSystemClock({ root, run: both.run }).wallTrust()).toBeNull();
    expect(both.ran).toEqual(["chronyc"]);
    const kernel = machine({ timedatectl: "yes\n" });
    expect(await createSystemClock({ root, run: kernel.run }).wallTrust()).toBe("synced");
    expect(kernel.ran).toEqual(["chronyc", "timedatectl"]);
  });

  it("vouches for nothing when nobody answers, or asking fails", async () => {
    expect(await createSystemClock({ root, run: machine({}).run }).wallTrust()).toBeNull();
    const run: RunCommand = () => Promise.reject(new Error("no more processes"));
    expect(await createSystemClock({ root, run }).wallTrust()).toBeNull();
  });

  it("keeps the answer of a program for 30 s", async () => {
    vi.useFakeTimers({ toFake: ["hrtime"] });
    const { ran, run } = machine({ chronyc: SYNCED });
    const clock = createSystemClock({ root, run });
    await clock.wallTrust();
    vi.advanceTimersByTime(29_999);
    await clock.wallTrust();
    expect(ran).toEqual(["chronyc"]);
    vi.advanceTimersByTime(1);
    await clock.wallTrust();
    expect(ran).toEqual(["chronyc", "chronyc"]);
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
