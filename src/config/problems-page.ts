import { problemRows } from "../core/events/problems.ts";
import { table } from "./generate.ts";

const HEAD = `# Problems, and what to do

Generated from \`src/core/events/problems.ts\`; do not edit. A status names its problems by these codes; \`stoep status\` says what they
mean and what to do in the same words, and \`stoep doctor\` looks for the cause. \`failing\`: nothing leaves, or nothing may leave.
\`degraded\`: the node works, and something is short of what it should be. A problem is gone from the status when it is over.
`;

const COLUMNS = ["Code", "Health", "What it means", "What to do"];

/** `config/problems.md`: every problem that a status can name. */
export function problemsMarkdown(): string {
  const node = table([COLUMNS, ...problemRows("node")]);
  const sensor = table([COLUMNS, ...problemRows("sensor")]);
  const drivers = "Drivers tell others, as `SENSOR_` and a name of their own: the README of the driver says what they mean.\n";
  return `${HEAD}\n## Of the node\n\n${node}\n## Of a sensor\n\n${sensor}\n${drivers}`;
}
