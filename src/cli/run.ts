import { createPinoEvents } from "../adapters/pino-events.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, DEFAULT_FILE, EXIT, type Output } from "./command.ts";
import { planFile } from "./node-file.ts";
import { startService } from "./service.ts";

export const run: Command = {
  name: "run",
  says: "run the node that FILE describes, until SIGTERM or Ctrl-C",
  takes: "[FILE]",
  wordsMax: 1,
  options: {},
  example: "stoep run /etc/stoep/node.yaml",
  more: "Writes its log as JSON lines to stdout. Exits with 78 when the config is wrong, before anything is opened.",
  async run(typed, output) {
    const file = typed.words[0] ?? DEFAULT_FILE;
    const { plan, problems, rev } = await planFile(file);
    for (const problem of problems) output.err(formatProblem(problem));
    if (plan === null) return EXIT.config;
    return await untilStopped(output, (fatal) =>
      startService({ plan, file, rev, events: (clock) => createPinoEvents(clock, plan.log.level), fatal }),
    );
  },
};

/** Starts, waits for a signal or a fatal fault, stops. A second signal does not wait. */
async function untilStopped(output: Output, start: (fatal: (why: string) => void) => ReturnType<typeof startService>): Promise<number> {
  let ask: (end: { why: string; code: number }) => void = () => {};
  const asked = new Promise<{ why: string; code: number }>((resolve) => {
    ask = resolve;
  });
  // Node opens a debugger on this signal, to whoever is on the machine, unless somebody listens to it (P8).
  process.on("SIGUSR1", () => {});
  process.once("SIGTERM", () => ask({ why: "SIGTERM", code: EXIT.ok }));
  process.once("SIGINT", () => ask({ why: "SIGINT", code: EXIT.ok }));
  try {
    const service = await start((why) => ask({ why, code: EXIT.unavailable }));
    const { why, code } = await asked;
    process.once("SIGTERM", () => process.exit(EXIT.unavailable));
    process.once("SIGINT", () => process.exit(EXIT.unavailable));
    await service.stop(why);
    return code;
  } catch (error) {
    const remedy = error instanceof Error && "remedy" in error ? ` What to do: ${String(error.remedy)}` : "";
    output.err(`stoep run: ${error instanceof Error ? error.message : String(error)}.${remedy}`);
    return EXIT.unavailable;
  }
}
