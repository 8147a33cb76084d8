import { measure } from "../child.ts";
import type { WholePathInput, WholePathRound } from "../children/whole-path.ts";
import { median } from "../figures.ts";
import type { Row } from "../row.ts";
import { BASELINE_BATCH } from "../world/bare-inserts.ts";
import { FRAME_BYTES } from "../world/frames.ts";

const SENSORS = 25;
const STREAMS = SENSORS * 2;
const FRAMES_PER_EVENT = 15;
const IN_FLIGHT = 20;

interface Variant {
  readonly name: string;
  readonly readingsPerSummary: number;
  readonly noDelay: boolean;
  readonly reach: number;
}

function wholePathRow({ name, readingsPerSummary, noDelay, reach }: Variant): Row {
  const brokerConfig = ["allow_anonymous true", ...(noDelay ? ["set_tcp_nodelay true"] : [])];
  const broker = noDelay ? "set_tcp_nodelay" : "default settings";
  return {
    name,
    what: `whole path, ${STREAMS} streams, ${readingsPerSummary} readings a summary, mosquitto with ${broker}`,
    reach: `>= ${reach} x`,
    against: `bare better-sqlite3 row inserts on tmpfs, ${BASELINE_BATCH} a transaction`,
    async run(effort) {
      const input: WholePathInput = {
        readingsPerSummary,
        brokerConfig,
        inFlightMax: IN_FLIGHT,
        framesPerEvent: FRAMES_PER_EVENT,
        sensors: SENSORS,
        rounds: effort.of(7, 2),
      };
      const rounds: WholePathRound[] = [];
      for (let process = 0; process < effort.of(3, 1); process++) {
        const result = await measure<{ rounds: readonly WholePathRound[] }>("whole-path", input);
        rounds.push(...result.rounds);
        effort.say(`ratios so far: ${rounds.map(({ pathUs, bareUs }) => (bareUs / pathUs).toFixed(2)).join(" ")}`);
      }
      const ratio = median(rounds.map(({ pathUs, bareUs }) => bareUs / pathUs));
      const ratioInCpuTime = median(rounds.map(({ pathCpuUs, bareCpuUs }) => bareCpuUs / pathCpuUs));
      const perSecond = (us: number): string => `${Math.round(1_000 / us)} k readings/s`;
      return {
        measured: `${perSecond(median(rounds.map(({ pathUs }) => pathUs)))} (${ratioInCpuTime.toFixed(2)} x in CPU time)`,
        baseline: perSecond(median(rounds.map(({ bareUs }) => bareUs))),
        ratio,
        isReached: ratio >= reach,
        details: {
          ...input,
          bytesPerEvent: FRAMES_PER_EVENT * FRAME_BYTES,
          ratioInCpuTime,
          rounds,
        },
      };
    },
  };
}

/** Bytes in to summary acknowledged: the three rows of one path. */
export const wholePathRows: readonly Row[] = [
  wholePathRow({ name: "path", readingsPerSummary: 300, noDelay: true, reach: 1.5 }),
  wholePathRow({ name: "path-default-broker", readingsPerSummary: 300, noDelay: false, reach: 0.7 }),
  wholePathRow({ name: "path-60", readingsPerSummary: 60, noDelay: true, reach: 0.5 }),
];
