import { startMosquitto } from "../../support/mosquitto.ts";
import { answer, inputOf } from "../child.ts";
import { WholePath } from "../world/whole-path.ts";

export interface CloseBlockInput {
  readonly sensors: number;
  readonly readingsPerSummary: number;
  readonly rounds: number;
}

/** The longest time between two turns of the event loop while `work` goes on, ms. */
async function longestTurnMs(work: Promise<void>): Promise<number> {
  let longestMs = 0;
  let lastMs = performance.now();
  let isOver = false;
  const ended = work.finally(() => {
    isOver = true;
  });
  const turn = (): void => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await ended;
  return longestMs;
}

const { sensors, readingsPerSummary, rounds } = inputOf<CloseBlockInput>();
const mosquitto = await startMosquitto({ config: ["allow_anonymous true", "set_tcp_nodelay true"] });
const path = await WholePath.start({
  sensors,
  streamsPerSensor: 2,
  readingsPerSummary,
  framesPerEvent: 15,
  url: mosquitto.url,
  inFlightMax: 20,
});
const blocksMs: number[] = [];
const idleMs: number[] = [];
for (let round = 0; round <= rounds; round++) {
  await path.feed(1);
  const blockMs = await longestTurnMs(path.settle());
  // What the machine itself does to an event loop that has nothing to do.
  const quietMs = await longestTurnMs(new Promise((resolve) => setTimeout(resolve, 200)));
  if (round > 0) {
    blocksMs.push(blockMs); // the first one warms up
    idleMs.push(quietMs);
  }
}
await path.stop();
await mosquitto.stop();
answer({ blocksMs, idleMs });
