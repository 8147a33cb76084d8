import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLab } from "../support/lab.ts";
import { freePort } from "../support/mosquitto.ts";
import { stoep } from "../support/node-process.ts";

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

  it("answers monitoring on its socket, and on loopback only where that is switched on", async () => {
    const lab = openLab();
    const port = await freePort();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors, metrics: { port } });
    const node = await site.runUntilReady();
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(text).toContain('stoep_sensor_ok{sensor="air"}');
    const onSocket = execFileSync("curl", ["-s", "--unix-socket", join(site.live, "stoep.sock"), "http://node/metrics"], {
      encoding: "utf8",
    });
    const names = (all: string): readonly string[] => [...all.matchAll(/^# TYPE (\S+)/gm)].map(([, name = ""]) => name);
    expect(names(onSocket)).toEqual(names(text));
    const addresses = tableOf(node.pid, "tcp")
      .filter((line) => line.includes(` ${LISTEN} `))
      .map((line) => line.trim().split(/\s+/)[1] ?? "");
    expect(addresses, "127.0.0.1, lowest byte first").toContainEqual(`0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`);
    expect((await fetch(`http://127.0.0.1:${port}/status`)).status, "nothing else").toBe(404);
    expect((await node.stop()).code).toBe(0);
  });

  it("listens nowhere else when the port of metrics is taken, and says what to do", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const site = lab.site({ broker: { url: broker.url }, sensors, metrics: { port: broker.port } });
    const node = await site.runUntilReady();
    const remedy = expect.stringContaining("name another metrics.port");
    expect(await node.event("MetricsPortRefused")).toMatchObject({ port: broker.port, remedy });
    expect(internetSockets(node.pid).filter(({ state }) => state === LISTEN)).toEqual([]);
    expect((await node.stop()).code).toBe(0);
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

  it("opens no connection to a place that is not allowed, says so, and signs what it found", async () => {
    const lab = openLab();
    const broker = { url: "mqtts://5.161.1.1:8883", residency: { mode: "strict", allow: ["EU"] }, allowSimulated: true, spread: "0s" };
    const site = lab.site({ broker, sensors });
    const node = await site.runUntilReady();
    const said = await node.event("BrokerDisconnected");
    expect(said).toMatchObject({ detail: "RESIDENCY_REFUSED location-outside", remedy: expect.stringContaining("stoep evidence") });
    expect(internetSockets(node.pid)).toEqual([]);
    expect(node.events("BrokerLookedUp")).toMatchObject([{ host: "5.161.1.1", standing: "contradicted", mayConnect: false }]);
    const { status } = await site.statusWhen(({ status: { health } }) => health === "failing");
    expect(status.problems.map(({ code }) => code)).toContain("BROKER_NOT_ALLOWED");
    const evidence = await stoep(["evidence", site.file]);
    expect(evidence).toMatchObject({ code: 0, stderr: "" });
    expect(evidence.stdout).toContain("the node did not connect to 5.161.1.1: ");
  });

  it("connects to a private address as far as the config declares it, and calls it nothing else", async () => {
    const lab = openLab();
    // Nobody has this one; a node that may not go there never finds out.
    const at = (mode: string) => ({
      url: "mqtts://[fd12:3456:789a::1]:8883",
      residency: { mode: "strict", private: mode },
      allowSimulated: true,
      spread: "0s",
    });
    const refused = await lab.site({ broker: at("refuse"), sensors }).runUntilReady();
    expect((await refused.event("BrokerDisconnected")).detail).toBe("RESIDENCY_REFUSED private-refused");
    const declared = await lab.site({ broker: at("declare"), sensors }).runUntilReady();
    expect(await declared.event("BrokerLookedUp")).toMatchObject({ standing: "declared-private", mayConnect: true, reasons: "" });
  });
});
