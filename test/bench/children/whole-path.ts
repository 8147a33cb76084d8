import { startMosquitto } from "../../support/mosquitto.ts";
import { answer, inputOf } from "../child.ts";
import { BareInserts } from "../world/bare-inserts.ts";
import { WholePath } from "../world/whole-path.ts";

export interface WholePathInput {
  readonly readingsPerSummary: number;
  readonly brokerConfig: readonly string[];
  readonly inFlightMax: number;
  readonly framesPerEvent: number;
  readonly sensors: number;
  readonly rounds: number;
}

/** Microseconds per reading of one round, by the clock on the wall and in CPU time of this process. */
export interface WholePathRound {
  readonly pathUs: number;
  readonly pathCpuUs: number;
  readonly bareUs: number;
  readonly bareCpuUs: number;
}

const READINGS_PER_ROUND = 450_000;
/** A node runs for years: what the compiler of V8 does in the first second is not what it costs. */
const WARM_UP_ROUNDS = 4;

async function timed(readings: number, work: () => Promise<void> | void): Promise<{ us: number; cpuUs: number }> {
  const cpuBefore = process.cpuUsage();
  const startedMs = performance.now();
  await work();
  const us = ((performance.now() - startedMs) * 1_000) / readings;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { us, cpuUs: (user + system) / readings };
}

const input = inputOf<WholePathInput>();
const mosquitto = await startMosquitto({ config: input.brokerConfig });
const path = await WholePath.start({ ...input, streamsPerSensor: 2, url: mosquitto.url });
const bare = new BareInserts();
const windows = Math.ceil(READINGS_PER_ROUND / path.readingsPerWindow);
const readings = windows * path.readingsPerWindow;
for (let round = 0; round < WARM_UP_ROUNDS; round++) {
  await path.run(windows);
  bare.run(readings);
}
const rounds: WholePathRound[] = [];
for (let round = 0; round < input.rounds; round++) {
  // Turn and turn about, so that what else the machine does falls on both.
  const ours = await timed(readings, () => path.run(windows));
  const theirs = await timed(readings, () => bare.run(readings));
  rounds.push({ pathUs: ours.us, pathCpuUs: ours.cpuUs, bareUs: theirs.us, bareCpuUs: theirs.cpuUs });
}
await path.stop();
bare.close();
await mosquitto.stop();
answer({ rounds, readingsPerRound: readings });
