import { effectiveJson, effectiveLines, effectiveText } from "../config/effective.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION } from "./command.ts";
import { planFile } from "./node-file.ts";

export const config: Command = {
  name: "config",
  says: "print FILE as it is in force, with where each line comes from",
  takes: "[FILE]",
  wordsMax: 1,
  options: { json: JSON_OPTION },
  example: "stoep config node.yaml",
  more: "Everything that FILE, the file under it (extends), defaults and drivers say. Secrets are shown as references.",
  async run(typed, output) {
    const { plan, parsed, problems } = await planFile(typed.words[0] ?? DEFAULT_FILE);
    for (const problem of problems) output.err(formatProblem(problem));
    if (plan === null || parsed === null) return EXIT.config;
    const lines = effectiveLines(parsed, plan);
    output.out(typed.flag("json") ? JSON.stringify(effectiveJson(lines), null, 2) : effectiveText(lines));
    return EXIT.ok;
  },
};
