import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createHost } from "../../adapters/host.ts";
import { assertEngine, ENGINE_MIN, StoreError } from "../../adapters/sqlite/database.ts";
import type { NodePlan } from "../../config/plan.ts";
import type { Host } from "../../ports/host.ts";
import { hasPeople, peopleProblems } from "../../runtime/people.ts";
import { examineClock } from "./clock.ts";
import { advice, broken, type Finding, ok, skipped } from "./finding.ts";

/**
 * Looks at the machine: its clock, its memory, its card. `base` is the folder of the config file, `standing` what the running node says
 * is wrong: codes.
 */
export async function examineMachine(
  plan: NodePlan,
  base: string,
  standing: readonly string[],
  host: Host = createHost(),
): Promise<readonly Finding[]> {
  const [clock, people, live, card] = await Promise.all([
    examineClock(plan.time.source, standing),
    examinePeople(plan, host),
    examineLive(plan, base, host),
    examineCard(plan, base, host),
  ]);
  return [clock, ...people, live, card, await examineEngine()];
}

async function examinePeople(plan: NodePlan, host: Host): Promise<readonly Finding[]> {
  const problems = await peopleProblems(host);
  if (problems.length === 0) return [ok("memory", "no swap on a disk, no core dumps: readings of people stay in memory")];
  const judge = hasPeople(plan) ? broken : advice;
  const consequence = hasPeople(plan) ? "streams of people are withheld" : "streams of people would be withheld";
  return problems.map(({ code, remedy }) => judge("memory", `${code}: ${consequence}`, remedy));
}

async function examineLive(plan: NodePlan, base: string, host: Host): Promise<Finding> {
  const { live } = plan.storage;
  if (live === null) return ok("live store", "in the memory of the process: a restart loses the open windows");
  const facts = await nearestFolder(resolve(base, live), host);
  if (facts?.on === "memory") return ok("live store", `${live} is memory, ${megabytes(facts.freeBytes)} free`);
  const remedy = "storage.live: /run/stoep, which is tmpfs; until then a restart loses the open windows";
  return advice("live store", `${live} is not memory`, remedy);
}

async function examineCard(plan: NodePlan, base: string, host: Host): Promise<Finding> {
  const { directory, outbox, egress } = plan.storage;
  const path = resolve(base, directory);
  const facts = await nearestFolder(path, host);
  if (facts === null) return skipped("card", `${directory} cannot be asked`, "check that it exists and who may read it");
  if (facts.on === "memory") {
    return broken("card", `${directory} is memory: a power cut loses what the broker does not have`, "name a folder on a disk or a card");
  }
  const wanted = outbox.maxBytes + egress.maxBytes;
  const hasBytes = await stat(join(path, "node.db")).then(
    ({ size }) => size,
    () => 0,
  );
  const free = `${directory} has ${megabytes(facts.freeBytes)} free`;
  if (facts.freeBytes + hasBytes >= wanted) return ok("card", free);
  const has = hasBytes === 0 ? "" : `, of which node.db has ${megabytes(hasBytes)}`;
  const remedy = `make room, or make storage.outbox.maxBytes smaller: outbox and egress log may grow to ${megabytes(wanted)}${has}`;
  return advice("card", free, remedy);
}

/** A folder that is not made yet is on the file system of the one above it. */
async function nearestFolder(path: string, host: Host): ReturnType<Host["folder"]> {
  return (await host.folder(path)) ?? (path === "/" ? null : nearestFolder(resolve(path, ".."), host));
}

async function examineEngine(): Promise<Finding> {
  const { default: Database } = await import("better-sqlite3");
  const db = new Database(":memory:");
  const version = db.prepare<[], string>("SELECT sqlite_version()").pluck().get() ?? "";
  db.close();
  try {
    assertEngine(version);
    return ok("sqlite", `${version}, at least ${ENGINE_MIN}`);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return broken("sqlite", error.message, error.remedy);
  }
}

const megabytes = (bytes: number): string => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(0)} MB`);
