import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Canaries } from "./canaries.ts";
import { type NodeProcess, type NodeSite, stoep } from "./node-process.ts";
import type { Received } from "./subscriber.ts";

const SNAPSHOT_MS_MAX = 30_000;
const POLL_MS = 50;
/** How `stoep status` says what memory and files take: the node's memory was once as many MB as a car had km/h. */
const SIZE = /\b\d+\.\d MB\b/g;

/** Writes what is alive in the heap, numbers included, and only then gives it its name. `writeHeapSnapshot` collects garbage first. */
const HOOK = `
const { renameSync } = require("node:fs");
const { writeHeapSnapshot } = require("node:v8");
process.on("SIGUSR2", () => {
  // What minutes of work do to the young generation, in which the garbage collector leaves what it has copied.
  for (let index = 0; index < 200_000; index++) globalThis.worked = [index.toString(36).padStart(40)];
  writeHeapSnapshot(process.env.TEST_SNAPSHOT + ".part", { exposeNumericValues: true });
  renameSync(process.env.TEST_SNAPSHOT + ".part", process.env.TEST_SNAPSHOT);
});
`;

/**
 * The environment of a node whose heap can be asked for, and which has a folder for temporary files of its own. Four pipes that are
 * read would hold all of its four threads. `mutant`: what it does besides.
 */
export function watched(site: NodeSite, mutant = ""): Readonly<Record<string, string>> {
  const hook = join(site.folder, "snapshot.cjs");
  writeFileSync(hook, HOOK + mutant);
  mkdirSync(temporaryOf(site), { recursive: true });
  return { NODE_OPTIONS: `--require ${hook}`, TEST_SNAPSHOT: snapshotOf(site), TMPDIR: temporaryOf(site), UV_THREADPOOL_SIZE: "8" };
}

const snapshotOf = (site: NodeSite): string => join(site.folder, "snapshot.json");
const temporaryOf = (site: NodeSite): string => join(site.folder, "tmp");

/**
 * What is alive in the heap of a node: every string, and every number that an object holds, as text. What typed arrays hold, and what
 * was freed and is not overwritten yet, is not in it.
 */
export async function heapOf(site: NodeSite, node: NodeProcess): Promise<Buffer> {
  node.signal("SIGUSR2");
  const untilMs = performance.now() + SNAPSHOT_MS_MAX;
  while (!existsSync(snapshotOf(site))) {
    if (performance.now() > untilMs) throw new Error("the node wrote no snapshot of its heap");
    await wait(POLL_MS);
  }
  const heap = readFileSync(snapshotOf(site));
  rmSync(snapshotOf(site));
  // Before it stand the numbers of nodes and edges, any of which could be another number by chance.
  const from = heap.indexOf('"strings":[');
  if (from < 0) throw new Error("the snapshot has no strings");
  return heap.subarray(from);
}

/** Where any of these stand in what a node wrote, sent and says, its heap left out. */
export async function tracesAround(
  canaries: Canaries,
  site: NodeSite,
  node: NodeProcess,
  sent: readonly Received[],
): Promise<readonly string[]> {
  const [words, json] = await Promise.all([stoep(["status", site.file]), stoep(["status", site.file, "--json"])]);
  const { pid } = node;
  const said: Readonly<Record<string, string | Buffer>> = {
    "the log": node.stdout + node.stderr,
    "the status": words.stdout.replaceAll(SIZE, "") + words.stderr + json.stdout + json.stderr,
    "what the kernel shows of the process": ["cmdline", "environ", "status"]
      .map((name) => readFileSync(`/proc/${pid}/${name}`, "latin1"))
      .join("\n"),
    ...Object.fromEntries(sent.map(({ topic, payload }, index) => [`message ${index} on ${topic}`, payload])),
  };
  return [
    // Stores, the folder for temporary files, and whatever else stands beside them: a core, a report of a crash.
    ...canaries.inFiles(site.live),
    ...canaries.inFiles(site.folder),
    ...[join(site.live, "live.db"), join(site.storage, "node.db")].flatMap((path) => canaries.inTables(path)),
    ...Object.entries(said).flatMap(([where, text]) => canaries.in(text).map((found) => `${where}: ${found}`)),
  ];
}
