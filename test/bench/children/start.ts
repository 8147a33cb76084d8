// Composed as `stoep run` composes it, with an eye on the first reading.
import { createRequire } from "node:module";
import { answer, inputOf } from "../child.ts";

// As `src/cli/main.ts` loads the command.
const load = createRequire(import.meta.url);
load("../../../src/cli/run.js");
const { createPinoEvents } = load("../../../src/adapters/pino-events.js") as typeof import("../../../src/adapters/pino-events.ts");
const { planFile } = load("../../../src/cli/node-file.js") as typeof import("../../../src/cli/node-file.ts");
const { startService } = load("../../../src/cli/service.js") as typeof import("../../../src/cli/service.ts");

const { configFile } = inputOf<{ readonly configFile: string }>();
const { plan, rev, problems } = await planFile(configFile);
if (plan === null) throw new Error(JSON.stringify(problems));
const service = await startService({
  plan,
  file: configFile,
  rev,
  events: (clock) => createPinoEvents(clock, plan.log.level),
  fatal: (why) => process.stderr.write(why),
});
let firstReadingNs: bigint | null = null;
const look = (): void => {
  const { sensors, connection } = service.node.status();
  if ((sensors["air-1"]?.counters?.stored ?? 0) > 0) firstReadingNs ??= process.hrtime.bigint();
  // A node that is stopped before it is connected does not connect any more.
  if (firstReadingNs === null || !connection.isUp) setTimeout(look, 1);
  else void service.stop("done").then(() => answer({ firstReadingMs: Number(firstReadingNs) / 1e6 }));
};
look();
