import { dirname, resolve } from "node:path";
import { askControl, ControlError } from "../adapters/control-socket.ts";
import { createCountryBooks } from "../adapters/residency/country-books.ts";
import type { NodePlan } from "../config/plan.ts";
import type { LocalStatus } from "../runtime/status.ts";
import type { WaitingStatus } from "./await-room.ts";
import { brokerOptions, withDatabases } from "./broker-options.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION, type Output } from "./command.ts";
import { afterRestart, type BrokerTrial, beforeRestart, examineBroker, tryBroker } from "./doctor/broker.ts";
import { broken, exitOf, type Finding, findingsText, ok, skipped } from "./doctor/finding.ts";
import { examineMachine } from "./doctor/machine.ts";
import { examineIdentity, examinePlace, type Place } from "./doctor/place.ts";
import { examinePorts } from "./doctor/ports.ts";
import { controlPath, planFile } from "./node-file.ts";

export const doctor: Command = {
  name: "doctor",
  says: "look at file, machine, ports and broker, and say what to do about what is wrong",
  takes: "[FILE]",
  wordsMax: 1,
  options: {
    broker: { type: "boolean", says: "also try the broker out: publishes 1,100 short texts below PREFIX/NODE/doctor" },
    "before-restart": { type: "boolean", says: "leave 20 messages at the broker, to see whether a restart loses them" },
    "after-restart": { type: "boolean", says: "count them" },
    json: JSON_OPTION,
  },
  example: "sudo -u stoep stoep doctor --broker",
  more: [
    "Asks the running node where there is one: a port that is open is not opened a second time. Run it as the user of the service, whose",
    "rights it then sees. Exits with 0 when all is well, 1 when something should be better, 2 when something is broken.",
  ].join("\n"),
  async run(typed, output) {
    const file = typed.words[0] ?? DEFAULT_FILE;
    const { plan, problems } = await planFile(file);
    if (plan === null) return reportFile(file, problems.length, output);
    const base = dirname(resolve(file));
    const place = await examinePlace(plan, createCountryBooks(withDatabases(plan.broker, base).residency.databases));
    const trial: BrokerTrial = { plan, options: { ...brokerOptions(plan, base), ...place.addresses } };
    const show = (findings: readonly Finding[]): number => {
      output.out(typed.flag("json") ? JSON.stringify(findings, null, 2) : findingsText(findings));
      return exitOf(findings);
    };
    if (place.isRefused && TRIALS.some((name) => typed.flag(name))) return show(place.findings);
    if (typed.flag("before-restart")) return show([await beforeRestart(trial)]);
    if (typed.flag("after-restart")) return show([await afterRestart(trial)]);
    if (typed.flag("broker")) output.err("Trying the broker takes a few seconds.");
    return show(await examineAll(file, trial, place, typed.flag("broker")));
  },
};

function reportFile(file: string, mistakes: number, output: Output): number {
  output.err(findingsText([broken("file", `${file} has ${mistakes} mistakes`, `stoep check ${file} names each with its line`)]));
  return EXIT.config;
}

/** What is sent to the broker only when it is asked for. */
const TRIALS = ["broker", "before-restart", "after-restart"];

async function examineAll(file: string, trial: BrokerTrial, place: Place, withTests: boolean): Promise<readonly Finding[]> {
  const { plan } = trial;
  const base = dirname(resolve(file));
  const running = await askNode(plan, base);
  const status = "status" in running ? running.status : null;
  return [
    ok("file", `${file}, sensors: ${plan.sensors.length}`),
    running.finding,
    ...(await examineMachine(plan, base, status?.status.problems.map(({ code }) => code) ?? [])),
    ...(await examinePorts(plan.sensors, status?.sensors ?? null)),
    ...place.findings,
    ...(await examineIdentity(trial.options)),
    ...(place.isRefused ? [] : await examineBroker(trial, status?.connection ?? null)),
    ...(withTests ? await tryBroker(trial) : []),
  ];
}

async function askNode(plan: NodePlan, base: string): Promise<{ readonly finding: Finding; readonly status?: LocalStatus }> {
  const { live } = plan.storage;
  const path = live === null ? null : controlPath(resolve(base, live));
  if (path === null) return { finding: skipped("node", "it has no socket: storage.live is memory") };
  try {
    const status = (await askControl(path, "/status")) as LocalStatus | WaitingStatus;
    if ("waiting" in status) {
      const { code, path: folder, remedy } = status.waiting;
      return { finding: broken("node", `waits and measures nothing: ${code} (${folder})`, remedy) };
    }
    const { health, problems, version } = status.status;
    const says = `${version} is running, ${health}`;
    if (health === "ok") return { finding: ok("node", says), status };
    const codes = [...new Set(problems.map(({ code }) => code))].join(", ");
    return {
      finding: broken("node", `${says}: ${codes}`, "stoep status shows it; what is wrong is below, or in journalctl -u stoep"),
      status,
    };
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return { finding: skipped("node", error.message, error.remedy) };
  }
}
