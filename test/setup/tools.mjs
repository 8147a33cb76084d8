// `npm test` runs this first: the tests talk to a real broker and to real pseudo-terminals. Missing tools are installed where
// that needs no question (root on Debian, as in CI); elsewhere the command to type is printed.
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";

/** What the tests run beside Node. Without a required one they fail; a test that needs another one skips and says so. */
export const TOOLS = [
  { program: "mosquitto", debianPackage: "mosquitto", required: true, why: "the broker of the integration tests" },
  { program: "socat", debianPackage: "socat", required: true, why: "pairs of pseudo-terminals in place of serial ports" },
  { program: "openssl", debianPackage: "openssl", required: true, why: "certificates for the TLS tests" },
  { program: "gpiomon", debianPackage: "gpiod", required: false, why: "the GPIO backend against the real program" },
  { program: "strace", debianPackage: "strace", required: false, why: "power cuts and errors of the card, in the fault tests" },
  { program: "faketime", debianPackage: "faketime", required: false, why: "steps of the clock of a real process" },
  { program: "systemd-analyze", debianPackage: "systemd", required: false, why: "the score of the unit file" },
];

/** Debian puts daemons in /usr/sbin, which is not on everybody's path. */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The tools that are not installed, looking in these folders. */
export function missingTools(tools, folders) {
  const isProgram = (path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return tools.filter(({ program }) => !folders.some((folder) => isProgram(join(folder, program))));
}

/** What to do about missing tools. systemd itself is never installed: a machine that lacks it has its reasons. */
export function decide(missing, machine) {
  const wanted = missing.filter(({ program }) => program !== "systemd-analyze");
  const packages = wanted.map(({ debianPackage }) => debianPackage);
  if (machine.root && machine.apt) return { install: packages, message: null, fails: false };
  const required = wanted.filter((tool) => tool.required);
  if (required.length === 0) return { install: [], message: null, fails: false };
  const lines = required.map(({ program, why }) => `  ${program}: ${why}`);
  const command = `sudo apt-get install ${packages.join(" ")}`;
  const message = `The tests need programs that are not installed:\n${lines.join("\n")}\nType: ${command}\n`;
  return { install: [], message, fails: true };
}

/** Keeps Debian from starting a service that it installs: the tests start a broker of their own (invoke-rc.d(8)). */
const POLICY = "/usr/sbin/policy-rc.d";

function install(packages) {
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  const run = (...args) =>
    execFileSync("apt-get", ["-q", ...args], {
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    });
  try {
    run("update");
    run("install", "--yes", "--no-install-recommends", ...packages);
  } finally {
    if (ours) rmSync(POLICY);
  }
}

function main() {
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...SYSTEM_FOLDERS];
  const look = () => missingTools(TOOLS, folders);
  const apt = missingTools([{ program: "apt-get", debianPackage: "apt", required: true, why: "" }], folders).length === 0;
  const first = decide(look(), { root: process.getuid?.() === 0, apt });
  if (first.install.length > 0) {
    try {
      install(first.install);
    } catch (error) {
      process.stderr.write(`apt-get failed: ${error instanceof Error ? error.message : String(error)}\n`);
    }
  }
  const last = first.install.length > 0 ? decide(look(), { root: false, apt }) : first;
  if (last.message) process.stderr.write(last.message);
  process.exitCode = last.fails ? 1 : 0;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main();
