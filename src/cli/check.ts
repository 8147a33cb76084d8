import { formatProblem } from "../config/problem.ts";
import { reportJson, reportText } from "../config/report.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION } from "./command.ts";
import { planFile } from "./node-file.ts";

export const check: Command = {
  name: "check",
  says: "say what is wrong with FILE, or what the node would do",
  takes: "[FILE]",
  wordsMax: 1,
  options: { json: JSON_OPTION },
  example: "stoep check node.yaml",
  more: "Opens no port, needs no secret and no hardware. Exits with 78 when the node would not start.",
  async run(typed, output) {
    const { plan, problems } = await planFile(typed.words[0] ?? DEFAULT_FILE);
    if (typed.flag("json")) output.out(JSON.stringify({ problems, plan: plan === null ? null : reportJson(plan) }, null, 2));
    else {
      for (const problem of problems) output.err(formatProblem(problem));
      if (plan !== null) output.out(reportText(plan));
    }
    return plan === null ? EXIT.config : EXIT.ok;
  },
};
