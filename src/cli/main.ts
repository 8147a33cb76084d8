#!/usr/bin/env node
import { check } from "./check.ts";
import { type Command, commandHelp, EXIT, type Output, readArguments, table, UsageError } from "./command.ts";
import { demo } from "./demo.ts";
import { drivers } from "./drivers.ts";
import { egress } from "./egress.ts";
import { explain } from "./explain.ts";
import { run } from "./run.ts";
import { status } from "./status.ts";
import { version } from "./version.ts";

const COMMANDS: readonly Command[] = [run, check, explain, egress, status, drivers, demo, version];

const output: Output = {
  out: (text) => void process.stdout.write(text.endsWith("\n") ? text : `${text}\n`),
  err: (text) => void process.stderr.write(text.endsWith("\n") ? text : `${text}\n`),
};

function generalHelp(): string {
  return [
    "stoep: a runtime for street sensor nodes. What leaves is a summary.",
    "",
    "Commands",
    ...table(COMMANDS.map(({ name, takes, says }) => [`${name} ${takes}`.trim(), says])),
    "",
    "stoep COMMAND --help tells more. FILE is /etc/stoep/node.yaml unless given.",
    "",
    "Example",
    "  stoep check my-node.yaml && stoep run my-node.yaml",
    "",
  ].join("\n");
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    output.out(generalHelp());
    return name === undefined ? EXIT.usage : EXIT.ok;
  }
  const command = COMMANDS.find((one) => one.name === (name === "--version" ? "version" : name));
  if (command === undefined) {
    output.err(`stoep: there is no command "${name}". stoep --help lists them.`);
    return EXIT.usage;
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    output.out(commandHelp(command));
    return EXIT.ok;
  }
  try {
    return await command.run(readArguments(command, rest), output);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    output.err(`stoep ${command.name}: ${error.message}. stoep ${command.name} --help tells what it takes.`);
    return EXIT.usage;
  }
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    output.err(`stoep: a bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    process.exitCode = EXIT.bug;
  },
);
