// Composed as `stoep run` composes it, with an eye on the first reading.
import { createPinoEvents } from "../../../src/adapters/pino-events.ts";
import { planFile } from "../../../src/cli/node-file.ts";
import { startService } from "../../../src/cli/service.ts";
import { answer, inputOf } from "../child.ts";

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
const look = (): void => {
  const stored = service.node.status().sensors["air-1"]?.counters?.stored ?? 0;
  if (stored === 0) {
    setTimeout(look, 1);
    return;
  }
  const firstReadingNs = process.hrtime.bigint();
  void service.stop("done").then(() => answer({ firstReadingMs: Number(firstReadingNs) / 1e6 }));
};
look();
