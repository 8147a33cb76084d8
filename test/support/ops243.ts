/** What an OPS243 prints for one look at one object (AN-010), with line ending. */
export function ops243Line(speedKmh: number, direction: "inbound" | "outbound"): string {
  return `{"unit":"kmph","speed":"${speedKmh}","direction":"${direction}"}\r\n`;
}

/** What it prints when it is told to use km/h, and when it is asked who it is. */
export const OPS243_UNITS = '{"Units":"km-per-hr"}\r\n';
export const OPS243_PRODUCT = '{"Product":"OPS243"}\r\n';

/** One object as a capture has it: `speeds` in km/h, a look every 100 ms, all in one direction. */
export const captureOf = (speeds: readonly number[], direction: "inbound" | "outbound"): string =>
  speeds.map((speed) => `+100ms < ${JSON.stringify(ops243Line(speed, direction))}\n`).join("");

/** The beginning of every capture here. */
export const CAPTURE_HEAD = `# stoep-golden 1\n+0ms open\n+0ms < ${JSON.stringify(OPS243_UNITS)}\n`;
