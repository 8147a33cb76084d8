import type { WatchedChannel, WatchHead, WatchLine } from "../runtime/watch-lines.ts";
import { type Command, JSON_OPTION, type Output } from "./command.ts";
import { plainLine, WatchTable } from "./watch-table.ts";
import { endWords, type Following, follow, WATCHING_OPTIONS, watchLength } from "./watching.ts";

const LENGTH = "10m";
/** How often the table is written anew: ages are in seconds. */
const REDRAW_MS = 500;
/** Where a terminal does not know how wide it is. */
const WIDTH = 120;

export const watch: Command = {
  name: "watch",
  says: "show what a sensor of the running node says now, value by value",
  takes: "SENSOR [FILE]",
  wordsMax: 2,
  options: {
    for: { type: "string", value: LENGTH, says: `how long, from 1s to 1d (default ${LENGTH}); it ends by itself` },
    json: { ...JSON_OPTION, says: "print JSON, one object a line" },
    ...WATCHING_OPTIONS,
  },
  example: "stoep watch air-1 --for 2m",
  more: [
    "Asks the node, which has the port open: nothing is taken from the sensor's windows, and nothing leaves by it. Values are calibrated,",
    "as they go into statistics. In a terminal a table, elsewhere lines. Who may watch is who may open the socket of the node.",
  ].join("\n"),
  async run(typed, output) {
    const forMs = watchLength(typed.text("for"), LENGTH);
    const view = typed.flag("json") ? jsonView(output) : process.stdout.isTTY ? tableView() : plainView(output);
    const followed = await follow(typed, output, { command: "watch", wants: "readings", forMs, ...view });
    view.over();
    if ("failed" in followed) return followed.failed;
    const [says, code] = endWords(followed.because);
    output.err(`stoep watch: ${says}`);
    return code;
  },
};

/** How it is shown. */
interface View extends Pick<Following, "begin" | "line"> {
  begin(head: WatchHead): void;
  line(line: WatchLine): void;
  over(): void;
}

const jsonView = ({ out }: Output): View => ({
  begin: (head) => out(JSON.stringify(head)),
  line: (line) => out(JSON.stringify(line)),
  over: () => {},
});

function plainView({ out, err }: Output): View {
  let channels: ReadonlyMap<string, WatchedChannel> = new Map();
  return {
    begin(head) {
      channels = new Map(head.channels.map((channel) => [channel.name, channel]));
      out(`${head.sensor} (${head.driver}), from ${head.at} on`);
      if (head.isOfPeople) err(PEOPLE_NOTE);
    },
    line(line) {
      const text = plainLine(line, channels);
      if (text !== null) out(text);
    },
    over: () => {},
  };
}

const PEOPLE_NOTE = "This is about people. That you watch stands in the egress log, and in the status of the node. Write nothing down.";
/** Up so many lines, to the first column, and everything below gone (ECMA-48, CPL and ED). */
const back = (lines: number): string => (lines === 0 ? "" : `\u001b[${lines}F\u001b[J`);

function tableView(): View {
  let table: WatchTable | null = null;
  let drawn = 0;
  const draw = (): void => {
    if (table === null) return;
    const lines = table.lines(performance.now(), process.stdout.columns || WIDTH);
    process.stdout.write(`${back(drawn)}${lines.join("\n")}\n`);
    drawn = lines.length;
  };
  let timer: NodeJS.Timeout | null = null;
  return {
    begin(head) {
      if (head.isOfPeople) process.stdout.write(`${PEOPLE_NOTE}\n`);
      table = new WatchTable(head, performance.now());
      draw();
      timer = setInterval(draw, REDRAW_MS);
    },
    line: (line) => table?.hear(line, performance.now()),
    over() {
      if (timer !== null) clearInterval(timer);
      draw();
    },
  };
}
