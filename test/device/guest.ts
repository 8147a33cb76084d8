import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { delimiter, join } from "node:path";

const HERE = import.meta.dirname;
/** Where Debian's busybox-static puts it; busybox without "static" would not run in a guest that has nothing else. */
const BUSYBOX = "/bin/busybox";
/** A scenario takes three minutes of a processor that is free; a guest that does not end is ended. */
const GUEST_MS_MAX = 900_000;
const MEMORY_MB = 1_024;
/**
 * An instruction takes 2 to the power of this in ns on the guest's clock: a processor of 250 million a second, as in a Raspberry Pi Zero.
 * So the guest's time stands still while the host is busy with something else, and 1,000 edges a second are as hard on any machine.
 */
const INSTRUCTION_NS_LOG2 = 2;

const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), "/usr/sbin", "/sbin"];
const has = (program: string): boolean => folders.some((folder) => existsSync(join(folder, program)));

/** What the lab needs on this machine, and the Debian package that has it. */
const NEEDS: readonly (readonly [program: string, debianPackage: string])[] = [
  ["qemu-system-x86_64", "qemu-system-x86"],
  ["mosquitto", "mosquitto"],
  ["mosquitto_sub", "mosquitto-clients"],
  ["curl", "curl"],
  ["cpio", "cpio"],
  ["gcc", "gcc libc6-dev"],
];

const cache = (): string => join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "stoep-test");

/** What the guest is made of. */
export interface Lab {
  readonly kernel: string;
}

/** A lab, or why there can be none here. */
export type LabOrReason = { readonly lab: Lab; readonly why: "" } | { readonly lab: null; readonly why: string };

/** What the set-up of this run found, in this variable of the environment as JSON. */
export const LAB_OF_THIS_RUN = "STOEP_LAB_OF_THIS_RUN";
export interface LabOfThisRun {
  readonly lab: LabOrReason;
  readonly bookworm: Gpiod;
  readonly trixie: Gpiod;
}

/** Builds what is not built yet: with no kernel in the cache that takes minutes. Progress goes to stderr. */
export function ensureLab(): LabOrReason {
  const none = (why: string): LabOrReason => ({ lab: null, why });
  if (process.arch !== "x64") return none(`the kernel of the lab is for x64, and this is ${process.arch}`);
  const missing = NEEDS.filter(([program]) => !has(program)).map(([, debianPackage]) => debianPackage);
  if (!existsSync(BUSYBOX)) missing.push("busybox-static");
  if (missing.length > 0) return none(`missing here: apt install ${missing.join(" ")}`);
  try {
    return { lab: { kernel: run("build-kernel.sh", cache()) }, why: "" };
  } catch {
    return none("the kernel could not be built: what it said stands above");
  }
}

/** The folder with the libgpiod tools of a Debian suite, or why there is none. */
export interface Gpiod {
  readonly path: string;
  readonly why: string;
}

/** Fetches what is not in the cache yet. */
export function ensureGpiod(suite: "bookworm" | "trixie"): Gpiod {
  try {
    return { path: run("fetch-gpiod.sh", cache(), suite), why: "" };
  } catch {
    return { path: "", why: `the libgpiod tools of ${suite} could not be fetched: what was said stands above` };
  }
}

const run = (script: string, ...args: string[]): string =>
  execFileSync(join(HERE, script), args, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();

/** What stands in `/run/lab` of the guest, by name; and what was found there afterwards. */
export type Files = Readonly<Record<string, string>>;
export type Results = ReadonlyMap<string, string>;

/**
 * Boots the kernel in QEMU with the disc of the host read-only, runs `/run/lab/scenario.sh` there as root, switches it off, and gives
 * what then stands in `/run/lab`; what the guest said on its serial console is under `console`. No acceleration: it must work anywhere.
 */
export async function runGuest({ kernel }: Lab, files: Files): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), "stoep-lab-"));
  try {
    const share = join(folder, "share");
    mkdirSync(share);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(share, name), text);
    execFileSync("gcc", ["-O2", "-Wall", "-Wextra", "-o", join(share, "drive-lines"), join(HERE, "drive-lines.c")]);
    const said = await boot(kernel, makeInitramfs(folder), share);
    const texts = readdirSync(share, { withFileTypes: true }).filter((entry) => entry.isFile() && entry.name !== "drive-lines");
    return new Map([...texts.map(({ name }): [string, string] => [name, readFileSync(join(share, name), "utf8")]), ["console", said]]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** busybox and a script: the rest is the host's. */
function makeInitramfs(folder: string): string {
  const root = join(folder, "initramfs");
  for (const name of ["bin", "proc", "host"]) mkdirSync(join(root, name), { recursive: true });
  cpSync(BUSYBOX, join(root, "bin/busybox"), { dereference: true });
  cpSync(join(HERE, "init.sh"), join(root, "init"));
  const file = join(folder, "initramfs.gz");
  execFileSync("sh", ["-c", `chmod 755 init && find . | cpio --quiet -o -H newc | gzip -1 > '${file}'`], { cwd: root });
  return file;
}

async function boot(kernel: string, initramfs: string, share: string): Promise<string> {
  const disc = (id: string, path: string, more: string): string[] => [
    "-fsdev",
    `local,id=${id},path=${path},security_model=none${more}`,
    "-device",
    `virtio-9p-pci,fsdev=${id},mount_tag=${id}`,
  ];
  const args = [
    ...["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"],
    ...["-accel", "tcg,thread=single", "-icount", `shift=${INSTRUCTION_NS_LOG2},sleep=on`],
    ...["-cpu", "max", "-smp", "1", "-m", String(MEMORY_MB)],
    ...["-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyS0 quiet panic=-1"],
    ...disc("hostroot", "/", ",readonly=on,multidevs=remap"),
    ...disc("lab", share, ""),
  ];
  const child = spawn("qemu-system-x86_64", args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  const timer = setTimeout(() => child.kill("SIGKILL"), GUEST_MS_MAX);
  await once(child, "close");
  clearTimeout(timer);
  return said;
}
