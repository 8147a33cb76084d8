import { describe, expect, it } from "vitest";
import { createServiceManager, statusLine, watchdogIntervalMs } from "../../../src/adapters/service-manager.ts";

describe("the interval of the watchdog", () => {
  it("is half of systemd's limit", () => {
    expect(watchdogIntervalMs({ WATCHDOG_USEC: "60000000" }, 42)).toBe(30_000);
    expect(watchdogIntervalMs({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "42" }, 42)).toBe(30_000);
  });

  it("is null when the watchdog is off, nonsense, or meant for another process", () => {
    for (const limit of [undefined, "", "0", "-5", "abc", "1e3", "60000000x"]) {
      expect(watchdogIntervalMs({ WATCHDOG_USEC: limit }, 42)).toBeNull();
    }
    expect(watchdogIntervalMs({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "41" }, 42)).toBeNull();
  });
});

describe("the status line", () => {
  it("cannot smuggle in another field", () => {
    expect(statusLine("broker away\nREADY=1\r\nX\0Y")).toBe("STATUS=broker away READY=1 X Y");
  });

  it("is cut at 200 characters", () => {
    expect(statusLine("x".repeat(5_000))).toBe(`STATUS=${"x".repeat(200)}`);
  });
});

describe("a process that nobody manages", () => {
  it("may say everything; nothing counts as undelivered and no watchdog is asked for", async () => {
    const manager = await createServiceManager({ WATCHDOG_USEC: "60000000" }, 42);
    manager.ready();
    manager.status("up");
    manager.watchdog();
    manager.stopping();
    manager.extendTimeout(1_000);
    manager.close();
    expect(manager.undelivered()).toBe(0);
    expect(manager.watchdogIntervalMs).toBeNull();
  });

  it("says so when the socket is one that it cannot reach", async () => {
    const manager = await createServiceManager({ NOTIFY_SOCKET: "@/org/freedesktop/systemd1/notify" }, 42);
    manager.ready();
    expect(manager.undelivered()).toBe(1);
  });
});
