import { askControl, ControlError } from "../adapters/control-socket.ts";
import { durationText, parseDuration } from "../config/values.ts";
import { sensorId } from "../core/units/ids.ts";
import { MINUTE_MS } from "../core/units/time.ts";
import { MAINTENANCE_MS_MAX } from "../runtime/maintenance.ts";
import type { Node } from "../runtime/node.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION, UsageError } from "./command.ts";
import { socketOf } from "./socket-of.ts";

const ANSWER_MS_MAX = 60_000;
/** Why the node does not do it, or up to when it does. */
export type MaintenanceAnswer =
  | { readonly is: "on"; readonly sensor: string; readonly until: string }
  | { readonly is: "off"; readonly sensor: string }
  | { readonly is: "refused"; readonly because: string };

export const maintenance: Command = {
  name: "maintenance",
  says: "say that somebody works on a sensor: its readings are not used, and its windows say so",
  takes: "SENSOR [FILE]",
  wordsMax: 2,
  options: {
    for: { type: "string", value: "2h|off", says: "how long, from 1m to 7d, from now on; or off: it is over" },
    json: JSON_OPTION,
    socket: { type: "string", value: "PATH", says: "socket of the node, instead of the one that FILE names" },
  },
  example: "stoep maintenance gate-1 --for 2h",
  more: "Windows that it touches carry the flag `maintenance`; those without anything else the reason. It survives a restart.",
  async run(typed, output) {
    const [sensor, file = DEFAULT_FILE] = typed.words;
    if (sensor === undefined) throw new UsageError("SENSOR is missing");
    const forMs = lengthOf(typed.text("for"));
    const path = typed.text("socket") ?? socketOf(file);
    try {
      const answer = (await askControl(path, "/maintenance", { body: { sensor, forMs }, timeoutMs: ANSWER_MS_MAX })) as MaintenanceAnswer;
      if (typed.flag("json")) output.out(JSON.stringify(answer, null, 2));
      if (answer.is === "refused") {
        output.err(`stoep maintenance: ${answer.because}`);
        return EXIT.badData;
      }
      if (!typed.flag("json")) {
        output.out(answer.is === "on" ? `${answer.sensor} is under maintenance until ${answer.until}` : `${answer.sensor} is back at work`);
      }
      return EXIT.ok;
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      output.err(`stoep maintenance: ${error.message}. What to do: ${error.remedy}`);
      return EXIT.unavailable;
    }
  },
};

function lengthOf(text: string | null): number | null {
  if (text === "off") return null;
  const length = text === null ? null : parseDuration(text);
  if (length === null || !isAllowed(length)) {
    throw new UsageError(`--for must be from 1m to ${durationText(MAINTENANCE_MS_MAX)}, or off${text === null ? "" : `, got "${text}"`}`);
  }
  return length;
}

const isAllowed = (forMs: number): boolean => forMs >= MINUTE_MS && forMs <= MAINTENANCE_MS_MAX;

/** What the node does with a document of its socket, whoever wrote it. */
export async function maintain(node: Node, asked: unknown): Promise<MaintenanceAnswer> {
  const { sensor, forMs } = (typeof asked === "object" && asked !== null ? asked : {}) as Readonly<Record<string, unknown>>;
  if (typeof sensor !== "string") return { is: "refused", because: "no sensor is named" };
  if (forMs !== null && !(typeof forMs === "number" && isAllowed(forMs)))
    return { is: "refused", because: "no length from 1m to 7d, and not off" };
  const done = await node.maintain(sensorId(sensor), forMs);
  if (done === null) {
    const known = Object.keys(node.status().sensors).join(", ");
    return { is: "refused", because: `there is no sensor "${sensor}"; there are ${known}` };
  }
  return done.until === null ? { is: "off", sensor } : { is: "on", sensor, until: new Date(done.until).toISOString() };
}
