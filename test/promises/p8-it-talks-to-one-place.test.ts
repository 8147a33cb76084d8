import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLab } from "../support/lab.ts";

/** /proc/net/tcp: state 0A is LISTEN, 01 ESTABLISHED (include/net/tcp_states.h). */
const LISTEN = "0A";
const ESTABLISHED = "01";
/** /proc/net/unix: flag __SO_ACCEPTCON, a socket that listens. */
const ACCEPTS = 0x10000;

interface InternetSocket {
  readonly protocol: string;
  readonly state: string;
  readonly remotePort: number;
  readonly inode: string;
}

/** The sockets that a process holds open, by inode. */
function inodesOf(pid: number): ReadonlySet<string> {
  const folder = `/proc/${pid}/fd`;
  const targets = readdirSync(folder).flatMap((fd) => {
    try {
      return [readlinkSync(join(folder, fd))];
    } catch {
      return []; // closed in between
    }
  });
  return new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []));
}

function internetSockets(pid: number): readonly InternetSocket[] {
  const own = inodesOf(pid);
  return ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"].flatMap((protocol) =>
    tableOf(pid, protocol).flatMap((line): InternetSocket[] => {
      const fields = line.trim().split(/\s+/);
      const [, , remote = "", state = ""] = fields;
      const inode = fields[9] ?? "";
      return own.has(inode) ? [{ protocol, state, remotePort: Number.parseInt(remote.split(":")[1] ?? "", 16), inode }] : [];
    }),
  );
}

function listeningPaths(pid: number): readonly string[] {
  const own = inodesOf(pid);
  return tableOf(pid, "unix").flatMap((line) => {
    const [, , , flags = "", , , inode = "", path = "(no name)"] = line.trim().split(/\s+/);
    return own.has(inode) && (Number.parseInt(flags, 16) & ACCEPTS) !== 0 ? [path] : [];
  });
}

const tableOf = (pid: number, name: string): readonly string[] =>
  readFileSync(`/proc/${pid}/net/${name}`, "utf8").trim().split("\n").slice(1);

const sensors = { air: { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30 } } } } };

describe("P8: it talks to one place", () => {
  it("holds one connection, to the configured broker, and listens on nothing but its Unix socket", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const site = lab.site({ broker: { url: broker.url }, sensors });
    const node = await site.runUntilReady();
    await node.event("BrokerConnected");
    await site.status();
    const sockets = internetSockets(node.pid);
    expect(sockets.filter(({ state }) => state === LISTEN)).toEqual([]);
    expect(sockets.map(({ protocol, state, remotePort }) => [protocol, state, remotePort])).toEqual([["tcp", ESTABLISHED, broker.port]]);
    expect(listeningPaths(node.pid)).toEqual([join(site.live, "stoep.sock")]);
  });

  it("opens no debugger on SIGUSR1, as Node does", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
    const node = await site.runUntilReady();
    node.signal("SIGUSR1");
    await site.statusWhen(({ uptimeSeconds }) => uptimeSeconds >= 2); // Node opens it at once, and says so
    expect(internetSockets(node.pid).filter(({ state }) => state === LISTEN)).toEqual([]);
    expect(node.stderr).not.toContain("Debugger");
  });

  it("lets nobody but its own user open that socket", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
    await site.runUntilReady();
    expect(statSync(join(site.live, "stoep.sock")).mode & 0o777).toBe(0o600);
  });

  it("listens on nothing at all when it has no folder for a socket", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors, storage: { live: "memory" } });
    const node = await site.runUntilReady();
    expect(listeningPaths(node.pid)).toEqual([]);
    expect(internetSockets(node.pid).filter(({ state }) => state === LISTEN)).toEqual([]);
  });
});
