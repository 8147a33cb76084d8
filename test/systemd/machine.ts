import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");
/** Debian 12 has the oldest systemd that the unit is written for. */
const SUITE = "bookworm";
const PACKAGES = ["systemd", "systemd-sysv", "dbus", "udev", "libstdc++6", "mosquitto", "mosquitto-clients", "procps", "iproute2"];
/** A boot with a scenario takes half a minute; a machine that does not come back is ended. */
const BOOT_MS_MAX = 240_000;

const has = (program: string): boolean => ["/usr/bin", "/usr/sbin", "/bin", "/sbin"].some((folder) => existsSync(join(folder, program)));

/** Why no machine can be started here; "" when one can. */
export function whyNot(): string {
  if (process.getuid?.() !== 0) return "only root can start a machine with systemd-nspawn";
  if (!has("systemd-nspawn")) return "systemd-nspawn is missing: apt install systemd-container";
  if (!has("debootstrap") && !existsSync(rootfs())) return "debootstrap is missing: apt install debootstrap";
  return "";
}

const cache = (): string => process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
const rootfs = (): string => join(cache(), "stoep-test", `rootfs-${SUITE}`);

/** A minimal Debian with a real systemd, made once and kept in the cache of the user. */
export function ensureRootfs(): string {
  const folder = rootfs();
  if (existsSync(folder)) return folder;
  mkdirSync(join(folder, ".."), { recursive: true });
  const making = `${folder}.making`;
  rmSync(making, { recursive: true, force: true });
  execFileSync("debootstrap", ["--variant=minbase", `--include=${PACKAGES.join(",")}`, SUITE, making], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  renameSync(making, folder);
  return folder;
}

/** What stands in a machine beside Debian and Stoep, by path. */
export type Files = Readonly<Record<string, string>>;

/** What a machine left in `/results`, by name. */
export type Results = ReadonlyMap<string, string>;

/**
 * Boots a machine with its own systemd, with the unit of this project, the built node in its place and these files, runs `scenario` as
 * root when it has booted, and switches it off. It has a network of its own with loopback only, and forgets everything.
 */
export async function runMachine(scenario: string, files: Files): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), "stoep-machine-"));
  try {
    const results = join(folder, "results");
    mkdirSync(results);
    const binds = [...stoepFiles(folder), ...written(folder, { ...files, ...scenarioFiles(scenario) })];
    const words = ["--quiet", "--volatile=overlay", "--register=no", "--keep-unit", "--private-network", `--directory=${ensureRootfs()}`];
    const child = spawn(
      "systemd-nspawn",
      [
        ...words,
        ...binds.map((bind) => `--bind-ro=${bind}`),
        `--bind=${results}:/results`,
        "--boot",
        "--",
        "systemd.wants=scenario.service",
      ],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    let console = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text: string) => {
        console += text;
      });
    const timer = setTimeout(() => child.kill("SIGTERM"), BOOT_MS_MAX);
    await once(child, "exit");
    clearTimeout(timer);
    const found = readdirSync(results).map((name): [string, string] => [name, readFileSync(join(results, name), "utf8")]);
    return new Map([...found, ["console", console]]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The node as the package installs it. Copied where a folder above could not be entered by the user of the service. */
function stoepFiles(folder: string): readonly string[] {
  const parts = ["dist", "node_modules", "drivers", "package.json"].map((name) => `${join(ROOT, name)}:/usr/lib/stoep/${name}`);
  const unit = join(folder, "units");
  mkdirSync(unit);
  for (const name of ["stoep.service", "stoep.sysusers", "stoep.tmpfiles"]) cpSync(join(ROOT, "systemd", name), join(unit, name));
  return [
    `${process.execPath}:/usr/bin/node`,
    ...parts,
    `${join(unit, "stoep.service")}:/etc/systemd/system/stoep.service`,
    `${join(unit, "stoep.sysusers")}:/usr/lib/sysusers.d/stoep.conf`,
    `${join(unit, "stoep.tmpfiles")}:/usr/lib/tmpfiles.d/stoep.conf`,
  ];
}

function scenarioFiles(scenario: string): Files {
  const unit = [
    "[Unit]\nDescription=What the test does\n",
    "[Service]\nType=oneshot\nExecStart=/bin/bash /opt/scenario.sh\nExecStopPost=/bin/systemctl poweroff --no-block\n",
    "[Install]\nWantedBy=multi-user.target\n",
  ].join("\n");
  return {
    "/opt/scenario.sh": scenario,
    "/etc/systemd/system/scenario.service": unit,
  };
}

function written(folder: string, files: Files): readonly string[] {
  return Object.entries(files).map(([path, text], index) => {
    const source = join(folder, `file-${index}`);
    writeFileSync(source, text, { mode: path.includes("secret") ? 0o600 : 0o644 });
    return `${source}:${path}`;
  });
}
