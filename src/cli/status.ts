import { askControl, ControlError } from "../adapters/control-socket.ts";
import { problemEntry } from "../core/events/problems.ts";
import { reasonWords } from "../core/residency/evidence.ts";
import type { BrokerSecurity } from "../runtime/broker-guard.ts";
import type { LocalBusStatus, LocalSensor, LocalStatus } from "../runtime/status.ts";
import type { WaitingStatus } from "./await-room.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION, table } from "./command.ts";
import { socketOf } from "./socket-of.ts";

// Exit codes of `--check`, for monitoring: CONTRACT §6.
const HEALTH_EXIT = { ok: 0, degraded: 1, failing: 2 } as const;

export const status: Command = {
  name: "status",
  says: "ask the running node how it is",
  takes: "[FILE]",
  wordsMax: 1,
  options: {
    json: JSON_OPTION,
    check: { type: "boolean", says: "exit 0 when all is well, 1 when degraded, 2 when failing or not running" },
    socket: { type: "string", value: "PATH", says: "socket of the node, instead of the one that FILE names" },
  },
  example: "stoep status --check",
  async run(typed, output) {
    const path = typed.text("socket") ?? socketOf(typed.words[0] ?? DEFAULT_FILE);
    try {
      const answer = (await askControl(path, "/status")) as LocalStatus | WaitingStatus;
      if ("waiting" in answer) {
        output.out(typed.flag("json") ? JSON.stringify(answer, null, 2) : waitingText(answer));
        return typed.flag("check") ? HEALTH_EXIT.failing : EXIT.ok;
      }
      output.out(typed.flag("json") ? JSON.stringify(answer, null, 2) : text(answer));
      return typed.flag("check") ? HEALTH_EXIT[answer.status.health] : EXIT.ok;
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      output.err(`stoep status: ${error.message}. What to do: ${error.remedy}`);
      return typed.flag("check") ? HEALTH_EXIT.failing : EXIT.unavailable;
    }
  },
};

function waitingText({ waiting: { code, path, freeBytes, remedy } }: WaitingStatus): string {
  const free = freeBytes === null ? "" : `, ${kilobytes(freeBytes)} free`;
  return `The node waits and measures nothing: ${code} (${path}${free}). What to do: ${remedy}`;
}

function text({ status: node, connection, security, outbox, live, memory, uptimeSeconds, sensors, buses }: LocalStatus): string {
  const broker = connection.isUp
    ? `connected to ${connection.address}${connection.isHeard === false ? ", where nobody listens" : ""}`
    : `not connected${connection.trouble === null ? "" : ` (${connection.trouble})`}`;
  const facts: [string, string][] = [
    ["node", `${node.node}, instance ${node.instance}, up ${duration(uptimeSeconds)}`],
    ["health", node.health],
    ["clock", node.time.state],
    ["broker", broker],
    ...(connection.remedy === null ? [] : [["", `what to do: ${connection.remedy}`] as [string, string]]),
    ...securityFacts(security),
    ["outbox", `${outbox.rows} waiting (${kilobytes(outbox.bytes)}), ${room(node.outbox.hours)}, last seq ${node.outbox.lastSeq}`],
    ["memory", `${kilobytes(memory.residentBytes)} resident${live.bytes === null ? "" : `, ${kilobytes(live.bytes)} live store`}`],
  ];
  const problems = node.problems.flatMap(({ code, sensor, since }): [string, string][] => {
    const { meaning, remedy } = problemEntry(code);
    return [
      [sensor ?? "node", `${code}${since === null ? "" : ` since ${since}`}: ${meaning}`],
      ["", `what to do: ${remedy}`],
    ];
  });
  return [
    ...table(facts),
    "",
    "Sensors",
    ...table(Object.entries(sensors).map(([id, sensor]) => [id, describe(sensor)])),
    ...(Object.keys(buses).length === 0 ? [] : ["", "Buses", ...table(Object.entries(buses).map(([id, bus]) => [id, describeBus(bus)]))]),
    ...(problems.length === 0 ? [] : ["", "Problems", ...table(problems)]),
    "",
  ].join("\n");
}

function securityFacts({ residency, tls }: BrokerSecurity): readonly [string, string][] {
  const facts: [string, string][] = [];
  if (tls !== null) {
    const pin = tls.pinned === null ? "no pin" : "pinned";
    facts.push(["tls", `${tls.protocol}, key exchange ${tls.group ?? "unknown"}, ${pin}, certificate until ${tls.validTo.slice(0, 10)}`]);
  }
  if (residency !== null) {
    const why = residency.reasons.map(reasonWords).join("; ");
    facts.push(["residency", `${residency.standing}${why === "" ? "" : ` (${why})`}${residency.mayConnect ? "" : ": NOT CONNECTED TO"}`]);
  }
  return facts;
}

function room(hours: number | null): string {
  return hours === null ? "nothing to keep" : `room for about ${hours} h`;
}

function describe({ state, trouble, driver, balanced, counters }: LocalSensor): string {
  const verdict = balanced ? "counters balance" : "COUNTERS DO NOT BALANCE";
  const head = `${state.padEnd(8)} ${driver}${trouble === null ? "" : ` (${trouble})`}`;
  if (counters === null) return `${head}, ${verdict} (not shown: they would count people)`;
  const lost = [
    ...Object.entries(counters.dropped),
    ...Object.entries(counters.discardedBytes).map(([reason, bytes]) => [`${reason} bytes`, bytes] as const),
  ];
  const unused = lost.filter(([, count]) => count > 0).map(([reason, count]) => `${count} ${reason}`);
  const facts = [`${counters.stored} readings`];
  if (counters.setAside > 0) facts.push(`${counters.setAside} set aside`);
  if (unused.length > 0) facts.push(`not used: ${unused.join(", ")}`);
  return [head, ...facts, verdict].join(", ");
}

function describeBus({ path, isOpen, units, counters }: LocalBusStatus): string {
  const head = `${isOpen ? "open" : "closed"} ${path}, units ${units.join(" ")}`;
  if (counters === null) return head;
  const { questions, replies, exceptions, timeouts, refused, discardedBytes } = counters;
  const unused = Object.entries(discardedBytes).map(([reason, bytes]) => `${bytes} ${reason} bytes`);
  const facts = [
    `${questions} questions`,
    `${replies} replies`,
    `${exceptions} exceptions`,
    `${timeouts} timeouts`,
    `${refused} not asked`,
  ];
  return [head, ...facts, ...(unused.length > 0 ? [`not used: ${unused.join(", ")}`] : [])].join(", ");
}

function kilobytes(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(0)} kB`;
}

function duration(seconds: number): string {
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3_600)} h ${Math.floor((seconds % 3_600) / 60)} min`;
}
