import { GPIOMON_LIMITS, type GpiomonDialect, nanoseconds } from "./gpiomon-dialect.ts";

const BIASES = { up: "pull-up", down: "pull-down", none: "disabled" } as const;

/**
 * The tools of libgpiod 2 (Debian 13, Raspberry Pi OS Trixie), run as Debian packages 2.2.1, on lines of gpio-sim (test/device). Here
 * `-b` is bias; `%e` is 1 for rising and 2 for falling; `%S` is seconds with nine decimals; the banner comes once the lines are held,
 * and every batch of edges is flushed. Its kernel debounce (`-p`) is not used: see ADR 0006.
 */
export const gpiomon2: GpiomonDialect = {
  backend: "gpiomon-2",
  saysReady: true,
  limits: GPIOMON_LIMITS,
  find: (name) => ["gpioinfo", "--strict", "--unquoted", "--", name],
  read: ({ chip, pull, offsets }) => ["gpioget", "--numeric", "-C", "stoep", "-c", chip, "-b", BIASES[pull], ...offsets.map(String)],
  watch: ({ chip, edge, pull, offsets }) => [
    "gpiomon",
    "--banner",
    "-C",
    "stoep",
    "-c",
    chip,
    "-e",
    edge,
    "-b",
    BIASES[pull],
    "-E",
    "monotonic",
    "-F",
    "%o %e %S",
    ...offsets.map(String),
  ],
  parseEdge(line) {
    const [, offset, kind, seconds, rest] = /^(\d+) ([12]) (\d+)\.(\d{9})$/.exec(line) ?? [];
    if (offset === undefined || seconds === undefined || rest === undefined) return null;
    return { offset: Number(offset), rising: kind === "1", atNs: nanoseconds(seconds, rest) };
  },
};
