import { setFlagsFromString } from "node:v8";
import { createPinoEvents } from "../adapters/pino-events.ts";
import { formatProblem } from "../config/problem.ts";
import type { Clock } from "../ports/clock.ts";
import { type Command, DEFAULT_FILE, EXIT, type Output } from "./command.ts";
import { goodInstead } from "./good-config.ts";
import { planFile } from "./node-file.ts";
import { NO_FILE } from "./reloader.ts";
import { startService } from "./service.ts";

/**
 * V8 looks for garbage again when its heap is this much larger than what was left the last time. By itself it lets a heap that is filled
 * fast grow to the fourfold: a backlog that drains at full speed made 16 MB to 45 (test/bench/README.md, memory-backlog).
 */
const HEAP_GROWING_PERCENT = 20;

export const run: Command = {
  name: "run",
  says: "run the node that FILE describes, until SIGTERM or Ctrl-C",
  takes: "[FILE]",
  wordsMax: 1,
  options: {},
  example: "stoep run /etc/stoep/node.yaml",
  more: [
    "Writes its log as JSON lines to stdout. Reads FILE again on SIGHUP, as stoep reload has it do. A FILE that is wrong is not used:",
    "the last one that held is run instead, and where there is none it exits with 78, before anything is opened.",
  ].join("\n"),
  async run(typed, output) {
    setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
    const file = typed.words[0] ?? DEFAULT_FILE;
    const wanted = await planFile(file);
    for (const problem of wanted.problems) output.err(formatProblem(problem));
    if (wanted.plan !== null) {
      const { plan, rev } = wanted;
      return await untilStopped(output, (fatal, stopping) =>
        startService({ plan, file, rev, planned: wanted, events: (clock) => createPinoEvents(clock, plan.log.level), fatal, stopping }),
      );
    }
    const good = await goodInstead(file, wanted);
    if (good === null || good.plan === null) return EXIT.config;
    const { plan, rev } = good;
    const { path } = good.good;
    output.err(`stoep run: ${path} (${rev}) is run instead, the last file that held. What to do: repair ${file}, then stoep reload`);
    const events = (clock: Clock) => {
      const log = createPinoEvents(clock, plan.log.level);
      log.emit({ type: "ConfigGoodUsed", rev, path });
      return log;
    };
    const rejectedRev = wanted.rev === "" ? NO_FILE : wanted.rev;
    return await untilStopped(output, (fatal, stopping) =>
      startService({ plan, file, rev, rejectedRev, planned: good, events, fatal, stopping }),
    );
  },
};

/** Starts, waits for a signal or a fatal fault, stops. A second signal does not wait. */
async function untilStopped(
  output: Output,
  start: (fatal: (why: string) => void, stopping: AbortSignal) => ReturnType<typeof startService>,
): Promise<number> {
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
    const service = await start((why) => ask({ why, code: EXIT.unavailable }), stopping.signal);
    reload = () => service.reload?.();
    if (isReloadAsked) reload();
    const { why, code } = await asked;
    process.once("SIGTERM", () => process.exit(EXIT.unavailable));
    process.once("SIGINT", () => process.exit(EXIT.unavailable));
    await service.stop(why);
    return code;
  } catch (error) {
    if (error === stopping.signal.reason) return EXIT.ok;
    const remedy = error instanceof Error && "remedy" in error ? ` What to do: ${String(error.remedy)}` : "";
    output.err(`stoep run: ${error instanceof Error ? error.message : String(error)}.${remedy}`);
    return EXIT.unavailable;
  }
}
