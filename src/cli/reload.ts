import { askControl, ControlError } from "../adapters/control-socket.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION } from "./command.ts";
import type { ReloadAnswer } from "./reloader.ts";
import { socketOf } from "./socket-of.ts";

/** A trial takes 30 s, a broker that is left 5 s, and a card may stall meanwhile. */
const ANSWER_MS_MAX = 90_000;

export const reload: Command = {
  name: "reload",
  says: "have the running node take over a changed FILE, or keep the one before",
  takes: "[FILE]",
  wordsMax: 1,
  options: {
    json: JSON_OPTION,
    socket: { type: "string", value: "PATH", says: "socket of the node, instead of the one that FILE names" },
  },
  example: "stoep check && stoep reload",
  more: [
    "Checks first. Then only what changed is touched: open windows, outbox and ledger stay. A port that does not hold within 30 s brings",
    "the file of before back. Exits with 0 when FILE is what runs, with 78 when it is not, with 69 when no node answers.",
  ].join("\n"),
  async run(typed, output) {
    const path = typed.text("socket") ?? socketOf(typed.words[0] ?? DEFAULT_FILE);
    try {
      const answer = (await askControl(path, "/reload", { body: {}, timeoutMs: ANSWER_MS_MAX })) as ReloadAnswer;
      if (typed.flag("json")) output.out(JSON.stringify(answer, null, 2));
      const isActive = answer.is === "applied" || answer.is === "unchanged";
      if (!typed.flag("json")) for (const line of answer.lines) (isActive ? output.out : output.err)(line);
      if (isActive) return EXIT.ok;
      output.err(`stoep reload: FILE is not used (${answer.is}); the node goes on with ${answer.active}`);
      return answer.is === "stopped" ? EXIT.unavailable : EXIT.config;
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      output.err(`stoep reload: ${error.message}. What to do: ${error.remedy}`);
      return EXIT.unavailable;
    }
  },
};
