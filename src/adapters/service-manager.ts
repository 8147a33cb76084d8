import type { DgramSocket } from "node-unix-socket";
import type { ServiceManager } from "../ports/service-manager.ts";

/** Longest status line; what is longer is cut. */
const STATUS_CHARACTERS_MAX = 200;

/** What systemd passes to a service of `Type=notify`: sd_notify(3), sd_watchdog_enabled(3). */
export interface NotifyEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

/** Half of the limit, as sd_watchdog_enabled(3) advises; null when the watchdog is off or meant for another process. */
export function watchdogIntervalMs(environment: NotifyEnvironment, pid: number): number | null {
  const { WATCHDOG_USEC: limitUs = "", WATCHDOG_PID: forPid } = environment;
  if (forPid !== undefined && forPid !== "" && forPid !== String(pid)) return null;
  const limitMs = /^[1-9][0-9]*$/.test(limitUs) ? Number(limitUs) / 1_000 : 0;
  return limitMs >= 2 ? Math.floor(limitMs / 2) : null;
}

/** Fields are separated by line feeds, so a text must not hold one. */
export function statusLine(text: string): string {
  return `STATUS=${text.replace(/\p{Cc}+/gu, " ").slice(0, STATUS_CHARACTERS_MAX)}`;
}

const silent = (intervalMs: number | null, undelivered: () => number): ServiceManager => ({
  watchdogIntervalMs: intervalMs,
  undelivered,
  ready: () => {},
  reloading: () => {},
  status: () => {},
  watchdog: () => {},
  stopping: () => {},
  extendTimeout: () => {},
  close: () => {},
});

/**
 * Speaks the protocol of sd_notify(3) over the datagram socket in NOTIFY_SOCKET; without one it is silent. The socket package
 * is loaded only then. It pads names to the full length of the address, so that it cannot reach an abstract socket (`@name`):
 * such a manager is not told anything, and `undelivered` says so. systemd gives its services a path.
 * An open socket keeps the process alive: call `close` at the end.
 */
export async function createServiceManager(environment: NotifyEnvironment, pid: number): Promise<ServiceManager> {
  const path = environment.NOTIFY_SOCKET ?? "";
  const intervalMs = watchdogIntervalMs(environment, pid);
  if (path === "") return silent(null, () => 0);
  if (!path.startsWith("/")) return silent(intervalMs, () => 1);
  try {
    const { DgramSocket } = await import("node-unix-socket");
    return notifier(path, intervalMs, () => new DgramSocket());
  } catch {
    return silent(intervalMs, () => 1);
  }
}

function notifier(path: string, intervalMs: number | null, open: () => DgramSocket): ServiceManager {
  let socket: DgramSocket | null = null;
  let closed = false;
  let isStopping = false;
  let undelivered = 0;

  const connected = (): DgramSocket => {
    if (socket) return socket;
    const fresh = open();
    // After an error the package closes its socket itself; the next message opens another.
    fresh.on("error", () => {
      socket = null;
    });
    socket = fresh;
    return fresh;
  };
  const send = (message: string): void => {
    if (closed) return;
    const bytes = Buffer.from(message);
    try {
      connected().sendTo(bytes, 0, bytes.length, path, (error) => {
        if (error) undelivered++;
      });
    } catch {
      undelivered++;
    }
  };

  return {
    watchdogIntervalMs: intervalMs,
    undelivered: () => undelivered,
    ready: () => isStopping || send("READY=1"),
    reloading: () => isStopping || send("RELOADING=1"),
    status: (text) => send(statusLine(text)),
    watchdog: () => send("WATCHDOG=1"),
    stopping: () => {
      isStopping = true;
      send("STOPPING=1");
    },
    extendTimeout: (ms) => send(`EXTEND_TIMEOUT_USEC=${Math.max(0, Math.ceil(ms * 1_000))}`),
    close: () => {
      closed = true;
      socket?.close();
      socket = null;
    },
  };
}
