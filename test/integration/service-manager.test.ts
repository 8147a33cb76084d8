import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DgramSocket } from "node-unix-socket";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createServiceManager } from "../../src/adapters/service-manager.ts";
import type { ServiceManager } from "../../src/ports/service-manager.ts";

/** vitest gives up after a second. */
const WAITING = { timeout: 10_000 };

// A receiver as systemd is one: an AF_UNIX datagram socket at the path in NOTIFY_SOCKET.
let directory: string;
let path: string;
let receiver: DgramSocket;
let heard: string[];
let manager: ServiceManager;

function listen(): DgramSocket {
  const socket = new DgramSocket();
  socket.bind(path);
  socket.on("data", (data: Buffer) => heard.push(data.toString("utf8")));
  return socket;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "stoep-notify-"));
  path = join(directory, "notify");
  heard = [];
  receiver = listen();
  manager = await createServiceManager({ NOTIFY_SOCKET: path, WATCHDOG_USEC: "3000000", WATCHDOG_PID: "7" }, 7);
});

afterEach(async () => {
  manager.close();
  receiver.close();
  await rm(directory, { recursive: true, force: true });
});

it("tells systemd of its start, its work and its stop, one datagram each, in order", async () => {
  expect(manager.watchdogIntervalMs).toBe(1_500);
  manager.extendTimeout(90_000);
  manager.status("checking the databases");
  manager.ready();
  manager.reloading();
  manager.ready();
  manager.watchdog();
  manager.stopping();
  await vi.waitFor(
    () =>
      expect(heard).toEqual([
        "EXTEND_TIMEOUT_USEC=90000000",
        "STATUS=checking the databases",
        "READY=1",
        "RELOADING=1",
        "READY=1",
        "WATCHDOG=1",
        "STOPPING=1",
      ]),
    WAITING,
  );
  expect(manager.undelivered()).toBe(0);
});

it("tells of no reload that ends when the stop has begun", async () => {
  manager.reloading();
  manager.stopping();
  manager.ready();
  manager.reloading();
  manager.watchdog();
  await vi.waitFor(() => expect(heard).toEqual(["RELOADING=1", "STOPPING=1", "WATCHDOG=1"]), WAITING);
});

it("counts what nobody received, and is heard again when somebody listens", async () => {
  receiver.close();
  await rm(path);
  manager.watchdog();
  manager.watchdog();
  await vi.waitFor(() => expect(manager.undelivered()).toBe(2), WAITING);
  receiver = listen();
  manager.watchdog();
  await vi.waitFor(() => expect(heard).toEqual(["WATCHDOG=1"]), WAITING);
  expect(manager.undelivered()).toBe(2);
});

it("says nothing after it was closed", async () => {
  manager.ready();
  manager.close();
  manager.close();
  manager.watchdog();
  const later = await createServiceManager({ NOTIFY_SOCKET: path }, 7);
  later.status("another");
  later.close();
  await vi.waitFor(() => expect(heard.at(-1)).toBe("STATUS=another"), WAITING);
  expect(heard).toEqual(["READY=1", "STATUS=another"]);
  expect(manager.undelivered()).toBe(0);
});
