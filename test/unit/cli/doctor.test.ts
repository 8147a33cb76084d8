import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { createHost } from "../../../src/adapters/host.ts";
import { consolesOf, type PathFacts, pathFacts } from "../../../src/adapters/port-facts.ts";
import { judgeClock } from "../../../src/cli/doctor/clock.ts";
import { advice, broken, exitOf, findingsText, ok, skipped } from "../../../src/cli/doctor/finding.ts";
import { examineMachine } from "../../../src/cli/doctor/machine.ts";
import { examinePlace } from "../../../src/cli/doctor/place.ts";
import { examinePorts, judgeFolder, judgePath } from "../../../src/cli/doctor/ports.ts";
import type { Testimony } from "../../../src/core/machine/testimony.ts";
import type { Host } from "../../../src/ports/host.ts";
import { nodePlan, sensorPlan } from "../../support/plans.ts";

const fine: PathFacts = {
  device: "/dev/ttyUSB0",
  isCharacterDevice: true,
  isOurs: true,
  group: "dialout",
  holders: [],
  isConsole: false,
};
const BY_ID = "/dev/serial/by-id/usb-1a86-if00";

describe("a bus", () => {
  it("is looked at once, however many sensors are on it", async () => {
    const on = (bus: string, unit: number) =>
      sensorPlan({ id: `s-${unit}`, port: { is: "modbus", bus, unit, path: `/no/such/${bus}`, settings: { baudRate: 9_600 } } });
    const findings = await examinePorts([on("a", 1), on("a", 2), on("b", 1), { ...on("c", 1), enabled: false }], null);
    expect(findings.map(({ what, verdict }) => [what, verdict])).toEqual([
      ["bus a", "broken"],
      ["bus b", "broken"],
    ]);
  });
});

describe("a serial path", () => {
  it.each([
    ["that is there", BY_ID, {}, "ok", null],
    ["that can be another adapter tomorrow", "/dev/ttyUSB0", {}, "advice", "/dev/serial/by-id"],
    ["that is not there", BY_ID, { device: null }, "broken", "cable"],
    ["that is a file", BY_ID, { isCharacterDevice: false }, "broken", "name a serial port"],
    ["that this user may not open", BY_ID, { isOurs: false }, "broken", "usermod -aG dialout stoep"],
    ["that another program holds", BY_ID, { holders: ["ModemManager (612)"] }, "broken", "stop that program"],
    ["that the kernel writes to", "/dev/ttyAMA0", { isConsole: true }, "broken", "raspi-config"],
  ] as const)("%s", (_, path, facts, verdict, remedy) => {
    const finding = judgePath("sensor air-1", path, { ...fine, ...facts }, "stoep");
    expect(finding.verdict).toBe(verdict);
    if (remedy === null) expect(finding.remedy).toBeNull();
    else expect(finding.remedy).toContain(remedy);
  });

  it("is asked about in /proc and /etc: its group, and who holds it", async () => {
    const root = mkdtempSync(join(tmpdir(), "stoep-root-"));
    onTestFinished(() => rmSync(root, { recursive: true }));
    mkdirSync(join(root, "proc/612/fd"), { recursive: true });
    mkdirSync(join(root, "etc"));
    writeFileSync(join(root, "proc/612/comm"), "ModemManager\n");
    symlinkSync("/dev/null", join(root, "proc/612/fd/7"));
    writeFileSync(join(root, "proc/cmdline"), "root=/dev/mmcblk0p2 console=serial0,115200 console=null rootwait\n");
    writeFileSync(join(root, "etc/group"), "root:x:0:\ndialout:x:20:stoep\n");
    expect(await pathFacts("/dev/null", root)).toEqual({
      ...{ device: "/dev/null", isCharacterDevice: true, isOurs: true, group: "root" },
      ...{ holders: ["ModemManager (612)"], isConsole: true },
    });
    expect(await pathFacts("/dev/there-is-none", root)).toMatchObject({ device: null });
  });

  it("is a console when the kernel command line says so", () => {
    expect(consolesOf("console=ttyAMA0,115200 quiet console=tty1")).toEqual(["/dev/ttyAMA0", "/dev/tty1"]);
    expect(consolesOf("noconsole=ttyS0")).toEqual([]);
  });
});

describe("the folder of a device", () => {
  const root = mkdtempSync(join(tmpdir(), "stoep-folder-"));
  mkdirSync(join(root, "28-1"));
  mkdirSync(join(root, "28-empty"));
  writeFileSync(join(root, "28-1/w1_slave"), "");
  afterAll(() => rmSync(root, { recursive: true }));

  it.each([
    ["28-1", "ok", null],
    ["28-empty", "broken", "name the folder of the device"],
    ["28-1/w1_slave", "broken", "not a file in it"],
    ["28-2", "broken", "dtoverlay=w1-gpio"],
  ] as const)("%s is %s", async (name, verdict, remedy) => {
    const finding = await judgeFolder("sensor road-1", join(root, name), "stoep");
    expect(finding.verdict).toBe(verdict);
    if (remedy === null) expect(finding.remedy).toBeNull();
    else expect(finding.remedy).toContain(remedy);
  });
});

describe("the clock", () => {
  const synced: Testimony = { witness: "chrony", says: "synced", errorMs: 1 };
  const rtcNo: Testimony = { witness: "rtc", says: "no", errorMs: null };

  it.each([
    ["system", [], "timesyncd", "set-ntp"],
    ["gps", [], "GPS receiver", "chronyc sources"],
    ["gps", [synced], "GPS receiver", "refclock"],
    ["rtc", [rtcNo], "battery", "hwclock"],
  ] as const)("of time.source %s that nobody there vouches for, %j", (source, testimonies, says, remedy) => {
    const finding = judgeClock(source, testimonies, []);
    expect(finding).toMatchObject({ verdict: "broken", says: expect.stringContaining(says), remedy: expect.stringContaining(remedy) });
    expect(finding.remedy).toContain("stoep time --accept");
    if (source !== "system") expect(finding.remedy).not.toContain("set-ntp");
  });

  it("is well when it is vouched for and no node doubts it", () => {
    expect(judgeClock("system", [synced], ["BROKER_AWAY"])).toEqual(ok("clock", "synchronised"));
  });

  it.each([
    ["CLOCK_WENT_BACK", "broken", "stoep time --accept"],
    ["TIME_UNTRUSTED", "broken", "stoep time"],
    ["CLOCK_LEAPT", "advice", "stoep time"],
  ] as const)("is not well when the running node says %s", (code, verdict, remedy) => {
    const finding = judgeClock("system", [synced], [code]);
    expect(finding).toMatchObject({ verdict, says: expect.stringContaining(code), remedy: expect.stringContaining(remedy) });
  });

  it("is said to have gone back before anything else, and why nobody vouches before that the node does not trust it", () => {
    expect(judgeClock("system", [], ["TIME_UNTRUSTED", "CLOCK_WENT_BACK"]).says).toContain("CLOCK_WENT_BACK");
    expect(judgeClock("system", [], ["TIME_UNTRUSTED"]).says).toContain("timesyncd");
  });
});

describe("the card", () => {
  const { storage } = nodePlan([]);
  const wanted = storage.outbox.maxBytes + storage.egress.maxBytes;

  it.each([
    ["an empty one without room", 0, wanted - 1, "advice"],
    ["an empty one with room", 0, wanted, "ok"],
    ["one that node.db has half of", wanted / 2, wanted / 2, "ok"],
    ["one without room for the other half", wanted / 2, wanted / 2 - 1, "advice"],
    ["one that node.db has more of than it may", wanted * 2, 0, "ok"],
  ] as const)("%s", async (_, hasBytes, freeBytes, verdict) => {
    const base = mkdtempSync(join(tmpdir(), "stoep-card-"));
    onTestFinished(() => rmSync(base, { recursive: true }));
    writeFileSync(join(base, "node.db"), "");
    truncateSync(join(base, "node.db"), hasBytes);
    const host: Host = { ...createHost(), folder: () => Promise.resolve({ on: "disk", freeBytes }) };
    const plan = nodePlan([], { storage: { ...storage, directory: base } });
    const card = (await examineMachine(plan, base, [], host)).find(({ what }) => what === "card");
    expect(card).toMatchObject({ verdict });
  });
});

describe("findings", () => {
  const findings = [
    ok("file", "fine"),
    advice("card", "small", "make room"),
    skipped("node", "does not run"),
    broken("clock", "wrong", "set it"),
  ];

  it("end with 0, 1 or 2 by the worst", () => {
    expect([findings, findings.slice(0, 3), findings.slice(0, 1), findings.slice(2, 3)].map(exitOf)).toEqual([2, 1, 0, 0]);
  });

  it("stand one a line, each remedy under it, with a sum at the end", () => {
    expect(findingsText(findings)).toBe(
      [
        "  ok      file   fine",
        "  ADVICE  card   small",
        "                 What to do: make room",
        "  -       node   does not run",
        "  BROKEN  clock  wrong",
        "                 What to do: set it",
        "",
        "1 broken, 1 that should be better. 1 could not be looked at.",
        "",
      ].join("\n"),
    );
    expect(findingsText(findings.slice(0, 1))).toContain("All is well.\n");
  });
});

describe("the place of the broker", () => {
  const noName = { addresses: () => Promise.reject(Object.assign(new Error("no"), { code: "EAI_AGAIN" })) };
  const noBooks = { lookUp: () => Promise.reject(new Error("nothing was found that could be asked about")) };
  const planFor = (mode: "strict" | "warn") => {
    const plan = nodePlan([]);
    const { broker } = plan;
    return { ...plan, broker: { ...broker, url: "mqtts://mqtt.voorbeeld.example:8883", residency: { ...broker.residency, mode } } };
  };

  it("that could not be asked for is refused in strict mode: the next question may be answered, and nobody would judge it", async () => {
    const { isRefused, findings } = await examinePlace(planFor("strict"), noBooks, noName);
    expect(isRefused).toBe(true);
    expect(findings).toMatchObject([
      { what: "residency", verdict: "broken", says: expect.stringContaining("EAI_AGAIN"), remedy: expect.stringContaining("name server") },
    ]);
  });

  it("that could not be asked for is left to the connection in warn mode", async () => {
    expect(await examinePlace(planFor("warn"), noBooks, noName)).toEqual({ findings: [], isRefused: false, addresses: {} });
  });
});
