import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LINE_COUNT = 28;
const LABEL = "pinctrl-bcm2711";
const NS_PER_SECOND = 1_000_000_000n;

/** A directory of stand-ins for the libgpiod tools of one major version, and the chip that they see: `gpiochip0`, lines GPIO0 to 27. */
export interface FakeGpioTools {
  /** What PATH must be for them to be found. */
  readonly path: string;
  readonly chip: string;
  /** `atNs`: the stamp of the edge; without one, edges are a second apart. */
  move(offset: number, high: boolean, atNs?: bigint): void;
  vanish(): void;
  restore(): void;
  /** The arguments of every gpiomon that was started, one line each. */
  monitors(): string[];
  /** Puts a script in the place of a tool. */
  script(tool: string, body: string): void;
  dispose(): Promise<void>;
}

// The words are those of libgpiod 1.6.3 and 2.2. A line is held by a lock on a file, which the kernel frees when the process ends.
const COMMON = `
hold() { # hold TOOL OFFSET...
  tool=$1; shift; fd=3
  for offset in "$@"; do
    eval "exec $fd>>'$state/lock-$offset'"
    flock -n $fd || { echo "$tool: $busy: Device or resource busy" >&2; exit 1; }
    fd=$((fd + 1))
  done
}
[ -e "$state/chip" ] || [ "$needs" != chip ] || { echo "$0: $gone: No such device" >&2; exit 1; }
`;

const V1: Readonly<Record<string, string>> = {
  gpiodetect: 'needs=; [ -e "$state/chip" ] && cat "$state/chip"; exit 0',
  gpiofind: '[ -e "$state/chip" ] || exit 1; shift; grep -x "gpiochip0 [0-9]*	$1" "$state/names" | cut -f1 | grep .',
  gpioget: `needs=chip gone='error reading GPIO values' busy='error reading GPIO values'; ${COMMON}
    while [ "$1" != gpiochip0 ]; do shift; done; shift; hold gpioget "$@"
    for offset in "$@"; do printf '%s%s' "$sep" "$(cat "$state/level-$offset")"; sep=' '; done; echo`,
  gpiomon: `case $1 in --version) echo 'gpiomon (libgpiod) v1.6.3'; exit;; esac
    needs=chip gone='error waiting for events' busy='error waiting for events'; ${COMMON}
    echo "$*" >>"$state/monitors"
    while [ "$1" != gpiochip0 ]; do shift; done; shift; hold gpiomon "$@"
    for offset in "$@"; do : >"$state/edges-$offset"; set -- "$@" "$state/edges-$offset"; shift; done
    echo $$ >"$state/pid-$$"; exec tail -q -n +1 -s 0.01 -f "$@"`,
};

const V2: Readonly<Record<string, string>> = {
  gpiodetect: V1.gpiodetect ?? "",
  gpioinfo: `[ -e "$state/chip" ] && shift 3 && sed -n "s/^\\(gpiochip0 [0-9]*\\)	$1$/\\1	$1            	input/p" "$state/names" | grep . ||
    { echo "gpioinfo: cannot find line '$1'" >&2; exit 1; }`,
  gpioget: `needs=chip gone='unable to request lines' busy='unable to request lines'; ${COMMON}
    shift 7; hold gpioget "$@"
    for offset in "$@"; do printf '%s%s' "$sep" "$(cat "$state/level-$offset")"; sep=' '; done; echo`,
  gpiomon: `case $1 in --version) echo 'gpiomon (libgpiod) v2.2.1'; exit;; esac
    needs=chip gone='unable to open chip' busy='unable to request lines on chip /dev/gpiochip0'; ${COMMON}
    echo "$*" >>"$state/monitors"
    shift 13; hold gpiomon "$@"
    for offset in "$@"; do : >"$state/edges-$offset"; done
    echo "Monitoring line '$1'..."
    for offset in "$@"; do set -- "$@" "$state/edges-$offset"; shift; done
    echo $$ >"$state/pid-$$"; exec tail -q -n +1 -s 0.01 -f "$@"`,
};

export function makeFakeGpioTools(major: 1 | 2): FakeGpioTools {
  const directory = mkdtempSync(join(tmpdir(), "stoep-gpio-"));
  const state = join(directory, "state");
  const bin = join(directory, "bin");
  mkdirSync(state);
  mkdirSync(bin);
  const script = (tool: string, body: string): void => {
    writeFileSync(join(bin, tool), `#!/bin/sh\nstate='${state}'\n${body}\n`);
    chmodSync(join(bin, tool), 0o755);
  };
  const offsets = Array.from({ length: LINE_COUNT }, (_, offset) => offset);
  const restore = (): void => writeFileSync(join(state, "chip"), `gpiochip0 [${LABEL}] (${LINE_COUNT} lines)\n`);
  const pids = (): number[] =>
    readdirSync(state)
      .filter((name) => name.startsWith("pid-"))
      .map((name) => Number(name.slice("pid-".length)));
  const vanish = (): void => {
    rmSync(join(state, "chip"), { force: true });
    for (const pid of pids()) {
      rmSync(join(state, `pid-${pid}`));
      try {
        process.kill(pid);
      } catch {
        // It was stopped before.
      }
    }
  };
  for (const [tool, body] of Object.entries(major === 1 ? V1 : V2)) script(tool, body);
  writeFileSync(join(state, "names"), offsets.map((offset) => `gpiochip0 ${offset}\tGPIO${offset}\n`).join(""));
  for (const offset of offsets) writeFileSync(join(state, `level-${offset}`), "0");
  restore();
  let seconds = 100;
  return {
    path: `${bin}:${process.env.PATH}`,
    chip: LABEL,
    script,
    vanish,
    restore,
    move(offset, high, atNs = NS_PER_SECOND * BigInt(++seconds) + 7n) {
      writeFileSync(join(state, `level-${offset}`), high ? "1" : "0");
      const [whole, rest] = [atNs / NS_PER_SECOND, atNs % NS_PER_SECOND];
      const stamp = major === 1 ? `${whole} ${rest}` : `${whole}.${String(rest).padStart(9, "0")}`;
      const text = `${offset} ${high ? 1 : major === 1 ? 0 : 2} ${stamp}\n`;
      appendFileSync(join(state, `edges-${offset}`), text);
    },
    monitors: () => readFileSync(join(state, "monitors"), "utf8").trim().split("\n"),
    async dispose() {
      vanish();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
