#!/usr/bin/env node
import { createRequire } from "node:module";
import { type Command, commandHelp, EXIT, type Output, readArguments, table, UsageError } from "./command.ts";

// Reads a module and all that it imports at once. `import()` goes through the thread pool for each of 300 files, which takes Node 20 a
// sixth more time and CPU. It wants the names of what is compiled.
const load = createRequire(import.meta.url);

/** In the order of the help. The code of a command is loaded when it is asked for. */
const COMMANDS: ReadonlyMap<string, () => Command> = new Map([
  ["run", () => (load("./run.js") as typeof import("./run.ts")).run],
  ["check", () => (load("./check.js") as typeof import("./check.ts")).check],
  ["reload", () => (load("./reload.js") as typeof import("./reload.ts")).reload],
  ["watch", () => (load("./watch.js") as typeof import("./watch.ts")).watch],
  ["capture", () => (load("./capture.js") as typeof import("./capture.ts")).capture],
  ["maintenance", () => (load("./maintenance.js") as typeof import("./maintenance.ts")).maintenance],
  ["config", () => (load("./config.js") as typeof import("./config.ts")).config],
  ["init", () => (load("./init.js") as typeof import("./init.ts")).init],
  ["migrate", () => (load("./migrate.js") as typeof import("./migrate.ts")).migrate],
  ["explain", () => (load("./explain.js") as typeof import("./explain.ts")).explain],
  ["egress", () => (load("./egress.js") as typeof import("./egress.ts")).egress],
  ["evidence", () => (load("./evidence.js") as typeof import("./evidence.ts")).evidence],
  ["outbox", () => (load("./outbox.js") as typeof import("./outbox.ts")).outbox],
  ["report", () => (load("./report.js") as typeof import("./report.ts")).report],
  ["status", () => (load("./status.js") as typeof import("./status.ts")).status],
  ["time", () => (load("./time.js") as typeof import("./time.ts")).time],
  ["doctor", () => (load("./doctor.js") as typeof import("./doctor.ts")).doctor],
  ["drivers", () => (load("./drivers.js") as typeof import("./drivers.ts")).drivers],
  ["replay", () => (load("./replay.js") as typeof import("./replay.ts")).replay],
  ["golden", () => (load("./golden.js") as typeof import("./golden.ts")).golden],
  ["new-driver", () => (load("./new-driver.js") as typeof import("./new-driver.ts")).newDriver],
  ["check-driver", () => (load("./check-driver.js") as typeof import("./check-driver.ts")).checkDriver],
  ["simulate", () => (load("./simulate.js") as typeof import("./simulate.ts")).simulate],
  ["demo", () => (load("./demo.js") as typeof import("./demo.ts")).demo],
  ["erase", () => (load("./erase.js") as typeof import("./erase.ts")).erase],
  ["retire", () => (load("./retire.js") as typeof import("./retire.ts")).retire],
  ["version", () => (load("./version.js") as typeof import("./version.ts")).version],
]);

const output: Output = {
  out: (text) => void process.stdout.write(text.endsWith("\n") ? text : `${text}\n`),
  err: (text) => void process.stderr.write(text.endsWith("\n") ? text : `${text}\n`),
};

// Whoever read, such as `head`, has seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

function generalHelp(): string {
  const commands = [...COMMANDS.values()].map((command) => command());
  return [
    "stoep: a runtime for street sensor nodes. What leaves is a summary.",
    "",
    "Commands",
    ...table(commands.map(({ name, takes, says }) => [`${name} ${takes}`.trim(), says])),
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
  const command = COMMANDS.get(name === "--version" ? "version" : name)?.();
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
