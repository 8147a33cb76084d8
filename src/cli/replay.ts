import { dirname, resolve } from "node:path";
import type { NodePlan } from "../config/plan.ts";
import { formatProblem } from "../config/problem.ts";
import { durationText, parseDuration } from "../config/values.ts";
import { MINUTE_MS, SECOND_MS } from "../core/units/time.ts";
import { type Capture, DRIVER_OPTIONS, driverFor, isMistaken, type Mistakes, optionsFor, readCapture } from "./capture-source.ts";
import { type Arguments, type Command, DEFAULT_FILE, EXIT, JSON_OPTION, UsageError } from "./command.ts";
import { parseText, planFile, planRead } from "./node-file.ts";
import { replayCapture } from "./replay-run.ts";
import { summaryLine } from "./summary-line.ts";

const WINDOW_MS = MINUTE_MS;
const SPEED_MAX = 10_000;
/** The sensor of a replay that no config describes. */
const SENSOR = "capture";

export const replay: Command = {
  name: "replay",
  says: "play a capture through its driver and show the summaries that would leave; nothing does",
  takes: "CAPTURE",
  wordsMax: 1,
  options: {
    ...DRIVER_OPTIONS,
    sensor: {
      type: "string",
      value: "ID",
      says: "as this sensor of the node file: its driver, options, calibration, streams and policies",
    },
    config: { type: "string", value: "FILE", says: `the node file of --sensor (default ${DEFAULT_FILE})` },
    window: { type: "string", value: "1m", says: `length of the windows without --sensor (default ${durationText(WINDOW_MS)})` },
    speed: { type: "string", value: "N|max", says: "times as fast as it happened (default max)" },
    json: { ...JSON_OPTION, says: "print the payloads of the summaries, one a line" },
  },
  example: "stoep replay street.txt --sensor air-1 --config node.yaml",
  more: [
    "Driver, ingest, windows, statistics and anonymising are those of a node, on a clock of their own; there is no broker and no store",
    "on a disk. The capture begins with a window. Summaries carry the flag `simulated`. Without --sensor what people cause is withheld:",
    "a policy is for a node file to say. Exits with 65 when the capture, or what it is played through, is wrong.",
  ].join("\n"),
  async run(typed, output) {
    const [path] = typed.words;
    if (path === undefined) throw new UsageError("CAPTURE is missing");
    const speed = speedOf(typed.text("speed"));
    const capture = await readCapture(path);
    const plan = isMistaken(capture) ? capture : await planOf(typed, capture);
    if (isMistaken(capture) || isMistaken(plan)) {
      for (const mistake of isMistaken(capture) ? capture.mistakes : (plan as Mistakes).mistakes) output.err(mistake);
      return EXIT.badData;
    }
    const stopping = new AbortController();
    const stop = (): void => stopping.abort();
    process.once("SIGINT", stop);
    const report = await replayCapture({
      ...{ capture, plan, speed, signal: stopping.signal },
      onSummary: (payload) => output.out(typed.flag("json") ? Buffer.from(payload).toString("utf8") : summaryLine(payload)),
    });
    process.off("SIGINT", stop);
    for (const trouble of report.troubles) output.err(`stoep replay: ${trouble}`);
    output.err(`stoep replay: ${report.says}. Nothing was published`);
    return report.troubles.length > 0 ? EXIT.badData : EXIT.ok;
  },
};

function speedOf(text: string | null): number {
  const speed = text === null || text === "max" ? Number.POSITIVE_INFINITY : Number(text);
  const isFine = speed === Number.POSITIVE_INFINITY ? text !== "Infinity" : speed >= 1 && speed <= SPEED_MAX;
  if (!isFine) throw new UsageError(`--speed must be max, or a number from 1 to ${SPEED_MAX}, got "${text}"`);
  return speed;
}

/** A plan with one sensor, which stands on the capture. */
async function planOf(typed: Arguments, capture: Capture): Promise<NodePlan | Mistakes> {
  const sensor = typed.text("sensor");
  if (sensor === null) return await planByDriver(typed, capture);
  for (const other of ["driver", "options", "window"]) {
    if (typed.text(other) !== null) throw new UsageError(`--${other} and --sensor exclude each other: the node file says it`);
  }
  const file = typed.text("config") ?? DEFAULT_FILE;
  const { plan, problems } = await planFile(file);
  if (plan === null) return { mistakes: problems.map(formatProblem) };
  const found = plan.sensors.find(({ id }) => id === sensor);
  if (found === undefined) {
    return { mistakes: [`${file}: there is no sensor "${sensor}"; there are ${plan.sensors.map(({ id }) => id).join(", ")}`] };
  }
  const port = { is: "replay", file: capture.path, speed: 1, repeat: false } as const;
  return { ...plan, sensors: [{ ...found, enabled: true, port, onStartFailure: "retry" }], groups: [] };
}

async function planByDriver(typed: Arguments, capture: Capture): Promise<NodePlan | Mistakes> {
  const found = await driverFor(typed.text("driver"), capture);
  if (isMistaken(found)) return found;
  const window = typed.text("window");
  const windowMs = window === null ? WINDOW_MS : parseDuration(window);
  if (windowMs === null || windowMs < SECOND_MS) throw new UsageError(`--window must be a length such as 1m, got "${window}"`);
  const config = {
    stoep: 1,
    node: { id: "replay", purpose: "a replay" },
    broker: { url: "mqtt://127.0.0.1", prefix: "replay" },
    window: durationText(windowMs),
    ...(found.path === null ? {} : { driverPaths: [{ path: found.path }] }),
    sensors: {
      [SENSOR]: { driver: found.driver.name, options: optionsFor(typed.text("options"), capture), replay: { file: resolve(capture.path) } },
    },
  };
  // JSON is YAML.
  const file = resolve(dirname(capture.path), "stoep-replay.yaml");
  const { plan, problems } = await planRead(parseText(JSON.stringify(config), file), file);
  return plan ?? { mistakes: problems.map(({ path, message }) => `${path}: ${message}`) };
}
