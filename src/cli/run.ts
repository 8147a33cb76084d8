import { setFlagsFromString } from "node:v8";
import { createPinoEvents } from "../adapters/pino-events.ts";
import { formatProblem } from "../config/problem.ts";
import type { Clock } from "../ports/clock.ts";
import { LiveStoreError } from "../ports/live-store.ts";
import { OutboxError } from "../ports/outbox.ts";
import { type Command, DEFAULT_FILE, EXIT, type Output } from "./command.ts";
import { type GoodPlan, goodInstead } from "./good-config.ts";
import { mayBeTheFile } from "./may-be-the-file.ts";
import { type Planned, type PlannedFile, planFile } from "./node-file.ts";
import { NO_FILE } from "./reloader.ts";
import { type Service, startService } from "./service.ts";

/**
 * V8 looks for garbage again when what it keeps has grown by an eighth since the last time, or by 2.6 MB if that is more: a quarter of
 * the way to its limit, which is half as much again, or 10 MB more at the least. By itself it lets a heap that is filled fast grow to
 * the fourfold: a backlog that drains at full speed made 16 MB to 45 (test/bench/README.md, memory-backlog).
 */
const COLLECTOR_FLAGS = ["--heap-growing-percent=50", "--incremental-marking-hard-trigger=25"];

export const run: Command = {
  name: "run",
  says: "run the node that FILE describes, until SIGTERM or Ctrl-C",
  takes: "[FILE]",
  wordsMax: 1,
  options: {},
  example: "stoep run /etc/stoep/node.yaml",
  more: [
    "Writes its log as JSON lines to stdout. Reads FILE again on SIGHUP, as stoep reload has it do. A FILE that is wrong, or names what",
    "cannot be used, is not used: the last one that held is run instead. Where there is none it exits with 78 when FILE is wrong,",
    "before anything is opened, and with 69 when it cannot be started.",
  ].join("\n"),
  async run(typed, output) {
    for (const flag of COLLECTOR_FLAGS) setFlagsFromString(flag);
    const file = typed.words[0] ?? DEFAULT_FILE;
    const wanted = await planFile(file);
    for (const problem of wanted.problems) output.err(formatProblem(problem));
    const { plan } = wanted;
    if (plan !== null) return await untilStopped(output, (asked) => startWanted({ file, wanted: { ...wanted, plan }, output, asked }));
    const good = await goodInstead(file, wanted);
    if (good === null) return EXIT.config;
    const because = wanted.problems.filter(({ severity }) => severity === "error").map(formatProblem)[0] ?? "";
    return await untilStopped(output, (asked) => startGood(good, { file, wanted, output, asked }, because));
  },
};

/** What the node is told of the world around the process. */
interface Asked {
  readonly fatal: (why: string) => void;
  readonly stopping: AbortSignal;
}

interface Start<Wanted extends PlannedFile = PlannedFile> {
  readonly file: string;
  /** What is on the disk. */
  readonly wanted: Wanted;
  readonly output: Output;
  readonly asked: Asked;
}

/** Starts what is on the disk; where that cannot be, and it may be for what the file says, the last file that held. */
async function startWanted({ file, wanted, output, asked }: Start<PlannedFile & Planned>): Promise<Service> {
  const { plan, rev } = wanted;
  let found: Promise<GoodPlan | null> | null = null;
  const other = (): Promise<GoodPlan | null> => {
    found ??= goodInstead(file, wanted);
    return found;
  };
  const hasElsewhere = async (): Promise<boolean> => {
    const good = await other();
    return good !== null && good.rev !== rev && good.plan.storage.directory !== plan.storage.directory;
  };
  try {
    const events = (clock: Clock) => createPinoEvents(clock, plan.log.level);
    return await startService({ plan, file, rev, planned: wanted, events, hasElsewhere, ...asked });
  } catch (error) {
    if (asked.stopping.aborted) throw error;
    const good = await other();
    if (good === null || good.rev === rev || !mayBeTheFile(error, plan, good.plan)) throw error;
    output.err(`stoep run: ${reasonOf(error)}`);
    return await startGood(good, { file, wanted, output, asked }, reasonOf(error));
  }
}

/** Starts the last file that held, and says that it is not the one on the disk, and why. */
function startGood(good: GoodPlan, { file, wanted, output, asked }: Start, because: string): Promise<Service> {
  const { plan, rev } = good;
  const { path } = good.good;
  output.err(`stoep run: ${path} (${rev}) is run instead, the last file that held. What to do: repair ${file}, then stoep reload`);
  const events = (clock: Clock) => {
    const log = createPinoEvents(clock, plan.log.level);
    log.emit({ type: "ConfigGoodUsed", rev, path, because });
    return log;
  };
  const rejectedRev = wanted.rev === "" ? NO_FILE : wanted.rev;
  return startService({ plan, file, rev, rejectedRev, planned: good, events, ...asked });
}

/** What went wrong and what to do, in a line. */
function reasonOf(error: unknown): string {
  const remedy = remedyOf(error);
  return `${error instanceof Error ? error.message : String(error)}.${remedy === null ? "" : ` What to do: ${remedy}`}`;
}

function remedyOf(error: unknown): string | null {
  if (error instanceof Error && "remedy" in error) return String(error.remedy);
  const isOfStores = error instanceof OutboxError || error instanceof LiveStoreError;
  return isOfStores ? "look at the folders that storage names in the node file: df, ls -ld, dmesg" : null;
}

/** Starts, waits for a signal or a fatal fault, stops. A second signal does not wait. */
async function untilStopped(output: Output, start: (asked: Asked) => Promise<Service>): Promise<number> {
  const stopping = new AbortController();
  let ask: (end: { why: string; code: number }) => void = () => {};
  const asked = new Promise<{ why: string; code: number }>((resolve) => {
    ask = resolve;
  });
  void asked.then(() => stopping.abort());
  // Node opens a debugger on this signal, to whoever is on the machine, unless somebody listens to it (P8).
  process.on("SIGUSR1", () => {});
  process.once("SIGTERM", () => ask({ why: "SIGTERM", code: EXIT.ok }));
  process.once("SIGINT", () => ask({ why: "SIGINT", code: EXIT.ok }));
  // From the first moment on: it would end the process. What came before the node ran is caught up with.
  let reload = (): unknown => {
    isReloadAsked = true;
    return null;
  };
  let isReloadAsked = false;
  process.on("SIGHUP", () => void reload());
  try {
    const service = await start({ fatal: (why) => ask({ why, code: EXIT.unavailable }), stopping: stopping.signal });
    reload = () => service.reload?.();
    if (isReloadAsked) reload();
    const { why, code } = await asked;
    process.once("SIGTERM", () => process.exit(EXIT.unavailable));
    process.once("SIGINT", () => process.exit(EXIT.unavailable));
    await service.stop(why);
    return code;
  } catch (error) {
    if (error === stopping.signal.reason) return EXIT.ok;
    output.err(`stoep run: ${reasonOf(error)}`);
    return EXIT.unavailable;
  }
}
