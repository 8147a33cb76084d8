import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { askControl, ControlError } from "../adapters/control-socket.ts";
import { createEvidenceLog } from "../adapters/residency/evidence-log.ts";
import { type DirectoryLock, lockDirectory } from "../adapters/sqlite/directory-lock.ts";
import { openOutbox } from "../adapters/sqlite/outbox.ts";
import { createSystemClock } from "../adapters/system-clock.ts";
import { createSystemCrypto } from "../adapters/system-crypto.ts";
import type { NodePlan } from "../config/plan.ts";
import { formatProblem } from "../config/problem.ts";
import { parseDuration } from "../config/values.ts";
import { NativeFormat } from "../formats/native.ts";
import { safetyOf } from "../runtime/broker-safety.ts";
import { MetaBook } from "../runtime/meta-book.ts";
import { clearRetained, drainOutbox, type Prospect, type Retirement, retainedTopics } from "../runtime/retirement.ts";
import { TimeDesk } from "../runtime/time-desk.ts";
import { assertReadable, brokerOptions, wayToBroker, withDatabases } from "./broker-options.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION, type Output, table, UsageError } from "./command.ts";
import { controlPath, planFile } from "./node-file.ts";
import { softwareVersion } from "./version.ts";

/** A day: longer than that nobody waits at a terminal. */
const DRAIN_MS_MAX = 86_400_000;
/** What clearing may take beyond the draining: a connection, and ten seconds for an answer now and then. */
const CLEAR_MS_MAX = 120_000;
const PROSPECT_MS_MAX = 5_000;

/** A node, running or not, as this command sees it. */
interface Candidate {
  readonly isRunning: boolean;
  prospect(): Promise<Prospect>;
  retire(drainMs: number): Promise<Retirement>;
  close(): Promise<void>;
}

export const retire: Command = {
  name: "retire",
  says: "make the broker forget a node: clear its retained status and metas",
  takes: "[FILE]",
  wordsMax: 1,
  options: {
    yes: { type: "boolean", says: "do it; without it the topics are only listed" },
    "dry-run": { type: "boolean", says: "list the topics, and what waits in the outbox, and end with 0" },
    drain: { type: "string", value: "FOR", says: "first publish what waits in the outbox, for at most so long: 10m" },
    json: JSON_OPTION,
  },
  example: "stoep retire --drain 10m --yes && sudo systemctl disable --now stoep",
  more: [
    "Goes through the running node, which then stays away from the broker until it is started again; readings are still collected.",
    "Where no node runs it connects itself, with the secrets that FILE names. The outbox keeps its summaries, those that the broker does",
    "not have among them: --drain publishes them first, and stoep erase deletes them. Metas of sensors that were taken out of FILE are",
    "cleared too, as far as node.db remembers them. A node that is started again publishes its metas anew. Exits with 64 when --yes was",
    "not typed, and with 69 when the broker does not answer or refuses a topic.",
  ].join("\n"),
  async run(typed, output) {
    const drainMs = typed.text("drain") === null ? 0 : parseDuration(typed.text("drain") ?? "");
    if (drainMs === null || drainMs > DRAIN_MS_MAX) throw new UsageError("--drain takes a duration up to 1d, such as 10m");
    const file = typed.words[0] ?? DEFAULT_FILE;
    const { plan, problems } = await planFile(file);
    for (const problem of problems) if (plan === null || problem.severity === "error") output.err(formatProblem(problem));
    if (plan === null) return EXIT.config;
    try {
      const node = (await running(plan, dirname(resolve(file)))) ?? (await standing(plan, dirname(resolve(file))));
      try {
        return await carryOut(
          node,
          { isMeant: typed.flag("yes"), isDry: typed.flag("dry-run"), asJson: typed.flag("json"), drainMs },
          output,
        );
      } finally {
        await node.close();
      }
    } catch (error) {
      if (!(error instanceof Error) || !("remedy" in error)) throw error;
      output.err(`stoep retire: ${error.message}. What to do: ${String(error.remedy)}`);
      return EXIT.unavailable;
    }
  },
};

interface How {
  readonly isMeant: boolean;
  readonly isDry: boolean;
  readonly asJson: boolean;
  readonly drainMs: number;
}

async function carryOut(node: Candidate, { isMeant, isDry, asJson, drainMs }: How, output: Output): Promise<number> {
  if (!isMeant || isDry) {
    const prospect = await node.prospect();
    output.out(asJson ? JSON.stringify(prospect, null, 2) : prospectText(prospect));
    if (isDry) return EXIT.ok;
    output.err("stoep retire: nothing was done. What to do: type stoep retire --yes, with the same FILE");
    return EXIT.usage;
  }
  const done = await node.retire(drainMs);
  output.out(asJson ? JSON.stringify(done, null, 2) : retirementText(done));
  if (node.isRunning && !asJson) output.out("The node still runs, and stays away from the broker until it is started again.");
  if (done.trouble === null) return EXIT.ok;
  output.err(`stoep retire: not everything was cleared (${done.trouble}). What to do: see config/broker-answers.md, and type it again`);
  return EXIT.unavailable;
}

/** The node that listens on its socket, or null. */
async function running(plan: NodePlan, base: string): Promise<Candidate | null> {
  const socket = controlPath(plan.storage.live === null ? null : resolve(base, plan.storage.live));
  if (socket === null) return null;
  try {
    const prospect = (await askControl(socket, "/retire", { body: { dryRun: true }, timeoutMs: PROSPECT_MS_MAX })) as Prospect;
    return {
      isRunning: true,
      prospect: () => Promise.resolve(prospect),
      retire: async (drainMs) =>
        (await askControl(socket, "/retire", { body: { drainMs }, timeoutMs: drainMs + CLEAR_MS_MAX })) as Retirement,
      close: () => Promise.resolve(),
    };
  } catch (error) {
    if (error instanceof ControlError && error.code === "NOT_RUNNING") return null;
    throw error;
  }
}

/** The node that this command stands in for: nobody else works in its folder meanwhile. */
async function standing(plan: NodePlan, base: string): Promise<Candidate> {
  const directory = resolve(base, plan.storage.directory);
  const settings = brokerOptions(plan, base);
  const hasStore = existsSync(join(directory, "node.db"));
  const lock: DirectoryLock | null = hasStore ? lockDirectory(directory) : null;
  const clock = createSystemClock({ bootId: process.env.STOEP_BOOT_ID });
  const crypto = createSystemCrypto();
  const events = { emit: () => {} };
  const format = new NativeFormat(plan.broker.prefix, plan.node.id);
  const time = new TimeDesk(clock, events, plan.time.source, () => {});
  const planned = new MetaBook(plan, format, crypto, softwareVersion()).entries.map(({ topic }) => topic);
  const outbox = hasStore ? await openOutbox({ directory, randomBytes: (count) => crypto.randomBytes(count) }) : null;
  const topics = await retainedTopics(outbox, format, planned);
  return {
    isRunning: false,
    prospect: () => Promise.resolve({ topics, pending: outbox?.standing().pendingRows ?? 0 }),
    async retire(drainMs) {
      await readable(settings);
      const way = wayToBroker({ ...plan, broker: withDatabases(plan.broker, base) }, settings, createEvidenceLog(directory));
      const name = { node: plan.node.id, instance: outbox?.instance ?? "" };
      const { broker } = safetyOf({ clock, events, time, ...name, ...way }, plan.broker);
      const world = { clock, crypto, events, time, broker };
      if (outbox !== null && drainMs > 0) await drainOutbox({ ...world, outbox }, plan, format, drainMs);
      return clearRetained({ ...world, outbox }, format, topics);
    },
    async close() {
      await outbox?.close();
      lock?.release();
    },
  };
}

async function readable(settings: Parameters<typeof assertReadable>[0]): Promise<void> {
  try {
    await assertReadable(settings);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const remedy = "start the service, which has its secrets, and type the same again: it then goes through the node";
    throw Object.assign(new Error(message, { cause }), { remedy });
  }
}

function prospectText({ topics, pending }: Prospect): string {
  return ["To be cleared at the broker", ...topics.map((topic) => `  ${topic}`), "", waiting(pending), ""].join("\n");
}

function retirementText({ topics, pending }: Retirement): string {
  return ["At the broker", ...table(topics.map(({ topic, outcome }) => [topic, outcome])), "", waiting(pending), ""].join("\n");
}

function waiting(pending: number): string {
  if (pending === 0) return "Nothing waits in the outbox.";
  return `${pending} messages wait in the outbox and stay there. --drain 10m publishes them first.`;
}
