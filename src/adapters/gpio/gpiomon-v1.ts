import { GPIOMON_LIMITS, type GpiomonDialect, nanoseconds } from "./gpiomon-dialect.ts";

const EDGE_FLAGS = { rising: ["-r"], falling: ["-f"], both: [] } as const;
const BIAS_FLAGS = { up: ["-B", "pull-up"], down: ["-B", "pull-down"], none: ["-B", "disable"] } as const;

/**
 * The tools of libgpiod 1.6 (Debian 12, Raspberry Pi OS Bookworm), from their `--help` and source. Here `-b` is line buffering, not
 * bias; `%e` is 0 for falling and 1 for rising; `%n` is not padded. Stamps are of the monotonic clock since Linux 5.7.
 */
export const gpiomon1: GpiomonDialect = {
  backend: "gpiomon-1",
  saysReady: false,
  limits: [
    ...GPIOMON_LIMITS,
    "gpiomon 1 does not say when it watches: a line counts as open after a short while without complaint",
    "of several lines with the same name, the first is taken",
  ],
  find: (name) => ["gpiofind", "--", name],
  read: ({ chip, pull, offsets }) => ["gpioget", ...BIAS_FLAGS[pull], chip, ...offsets.map(String)],
  watch: ({ chip, edge, pull, offsets }) => [
    "gpiomon",
    "-b",
    ...EDGE_FLAGS[edge],
    ...BIAS_FLAGS[pull],
    "-F",
    "%o %e %s %n",
    chip,
    ...offsets.map(String),
  ],
  parseEdge(line) {
    const [, offset, kind, seconds, rest] = /^(\d+) ([01]) (\d+) (\d{1,9})$/.exec(line) ?? [];
    if (offset === undefined || seconds === undefined || rest === undefined) return null;
    return { offset: Number(offset), rising: kind === "1", atNs: nanoseconds(seconds, rest) };
  },
};
