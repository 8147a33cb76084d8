import { askControl, ControlError } from "../adapters/control-socket.ts";
import type { Doubt } from "../core/machine/timekeeper.ts";
import type { TimeReport } from "../runtime/time-desk.ts";
import { nobodyVouches } from "./clock-words.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION, table } from "./command.ts";
import { socketOf } from "./socket-of.ts";

/** What to do about each doubt. */
const REMEDIES: Readonly<Record<Exclude<Doubt, "nobody-vouches">, string>> = {
  "sources-disagree":
    "one says that the clock is right and another that it is not, as after it was set by hand: wait for the time service, " +
    "or look at the clock yourself and type: stoep time --accept",
  "below-last-trusted":
    "the clock shows less than what was trusted before. When two witnesses agree for ten minutes it is followed. " +
    "If it is right, you need not wait: stoep time --accept",
  "too-early": "the clock shows a time before there was this program: set it",
  "holdover-over":
    "nobody has vouched for the clock for longer than time.holdover: mend the time service, " +
    "or look at the clock yourself and type: stoep time --accept",
};

const ACCEPT = { body: {}, timeoutMs: 5_000 } as const;

export const time: Command = {
  name: "time",
  says: "which clock the running node believes, and why",
  takes: "[FILE]",
  wordsMax: 1,
  options: {
    json: JSON_OPTION,
    accept: { type: "boolean", says: "say that the clock of this machine is right as it is now (look at it first: date --utc)" },
    socket: { type: "string", value: "PATH", says: "socket of the node, instead of the one that FILE names" },
  },
  more:
    "With --accept the node believes the clock of this moment and goes on by itself from there, for time.holdover, until a time service\n" +
    "takes over. It is the way out where there is no network and no clock with a battery, and where a clock had been years ahead.",
  example: "date --utc && stoep time --accept",
  async run(typed, output) {
    const path = typed.text("socket") ?? socketOf(typed.words[0] ?? DEFAULT_FILE);
    try {
      const report = (await (typed.flag("accept") ? askControl(path, "/time/accept", ACCEPT) : askControl(path, "/time"))) as TimeReport;
      output.out(typed.flag("json") ? JSON.stringify(report, null, 2) : text(report));
      return report.state === "untrusted" ? EXIT.unavailable : EXIT.ok;
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      output.err(`stoep time: ${error.message}. What to do: ${error.remedy}`);
      return EXIT.unavailable;
    }
  },
};

function text({ state, source, because, trusted, wall, lastTrusted, errorMs, witnesses }: TimeReport): string {
  const rows: [string, string][] = [
    ["state", because === null ? state : `${state} (${because})`],
    ["believed", `time.source ${source}; ${witnesses} ${witnesses === 1 ? "witness" : "witnesses"}`],
    ["the node's time", trusted ?? "none: readings wait"],
    ["the clock", wall],
    ["last trusted", lastTrusted ?? "never"],
    ["off by at most", errorMs === null ? "nobody tells" : `${errorMs} ms`],
  ];
  const advice =
    because === null || state === "holdover"
      ? []
      : ["", `What to do: ${because === "nobody-vouches" ? nobodyVouches(source).remedy : REMEDIES[because]}`];
  return [...table(rows), ...advice, ""].join("\n");
}
