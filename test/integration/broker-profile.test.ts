import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

const PROFILE = join(import.meta.dirname, "../../systemd/mosquitto-stoep.conf");
/** What needs certificates; how a node uses them is tested with the broker adapter. */
const TLS = /^(tls_version|cafile|certfile|keyfile|require_certificate|use_identity_as_username) .*$/gm;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "stoep-profile-"));
});
afterEach(async () => {
  await rm(directory, { recursive: true });
});

/**
 * Starts mosquitto, waits until it runs or has given up, ends it; what it said. SIGKILL, because mosquitto forgets a SIGTERM that
 * arrives between the line "running" and its main loop.
 */
async function say(config: string): Promise<string> {
  const path = `${process.env.PATH ?? ""}${delimiter}/usr/sbin`;
  const broker = spawn("mosquitto", ["-c", config], { env: { ...process.env, PATH: path }, stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(broker, "exit");
  let said = "";
  for (const stream of [broker.stdout, broker.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (/mosquitto version \S+ running/.test(said)) broker.kill("SIGKILL");
    });
  }
  const tooLong = setTimeout(() => broker.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(tooLong);
  return said;
}

it("is a profile that mosquitto starts with, beside Debian's own configuration", async () => {
  const profile = (await readFile(PROFILE, "utf8"))
    .replace(TLS, "")
    .replace(/^listener .*$/m, `listener 0 ${join(directory, "socket")}`)
    .replace(/^acl_file .*$/m, `acl_file ${join(directory, "acl")}`);
  await writeFile(join(directory, "acl"), "pattern write city/voorbeeld/%u/#\n", { mode: 0o600 });
  await mkdir(join(directory, "conf.d"));
  await writeFile(join(directory, "conf.d/stoep.conf"), profile);
  // As /etc/mosquitto/mosquitto.conf of Debian 12 and 13, but for the paths and the account.
  const debian = `${process.getuid?.() === 0 ? "user root\n" : ""}persistence true\npersistence_location ${directory}/\n`;
  await writeFile(join(directory, "mosquitto.conf"), `${debian}log_dest stderr\ninclude_dir ${join(directory, "conf.d")}\n`);

  const said = await say(join(directory, "mosquitto.conf"));
  expect(said).not.toContain("Error");
  expect(said).toMatch(/mosquitto version \S+ running/);
});
