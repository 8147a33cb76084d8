import { setFlagsFromString } from "node:v8";
import { createPinoEvents } from "../adapters/pino-events.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, DEFAULT_FILE, EXIT, type Output } from "./command.ts";
import { planFile } from "./node-file.ts";
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
  more: "Writes its log as JSON lines to stdout. Exits with 78 when the config is wrong, before anything is opened.",
  async run(typed, output) {
    setFlagsFromString(`--heap-growing-percent=${HEAP_GROWING_PERCENT}`);
    const file = typed.words[0] ?? DEFAULT_FILE;
    const { plan, problems, rev } = await planFile(file);
    for (const problem of problems) output.err(formatProblem(problem));
    if (plan === null) return EXIT.config;
    return await untilStopped(output, (fatal, stopping) =>
      startService({ plan, file, rev, events: (clock) => createPinoEvents(clock, plan.log.level), fatal, stopping }),
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
  try {
    const service = await start((why) => ask({ why, code: EXIT.unavailable }), stopping.signal);
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
