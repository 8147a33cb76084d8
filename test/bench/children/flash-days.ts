import { readFileSync } from "node:fs";
import { DAY_MS, MINUTE_MS, SECOND_MS } from "../../../src/core/units/time.ts";
import { Node } from "../../../src/runtime/node.ts";
import { FakeBrokerPort } from "../../../src/testing/fake-broker-port.ts";
import { answer, inputOf } from "../child.ts";
import { benchPlan } from "../world/bench-plan.ts";
import { BENCH_IDENTITY, benchWorld, diskFolder } from "../world/bench-world.ts";
import { frameEvents } from "../world/frames.ts";

export interface FlashInput {
  readonly sensors: number;
  readonly windowMs: number;
  readonly days: number;
}

export interface FlashDay {
  readonly writtenBytes: number;
  readonly summaries: number;
  /** Topics and payloads. */
  readonly summaryBytes: number;
}

const { sensors, windowMs, days } = inputOf<FlashInput>();
const plan = benchPlan({
  sensors,
  streamsPerSensor: 2,
  windowMs,
  latenessMs: MINUTE_MS / 2,
  url: "mqtt://127.0.0.1",
  directory: diskFolder(),
  inFlightMax: 20,
});
const brokers: FakeBrokerPort[] = [];
const bench = await benchWorld(plan, (clock) => {
  const broker = new FakeBrokerPort({ clock });
  brokers.push(broker);
  return broker;
});
const node = await Node.start(plan, bench.world, { identity: BENCH_IDENTITY });
const events = frameEvents(1, 64);

/** Bytes that this process caused to be sent to storage (proc(5), `write_bytes`); what goes to tmpfs is not among them. */
function writtenBytes(): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

/** A day on the clock of the bench: every sensor speaks once a second. */
async function day(): Promise<FlashDay> {
  const received = brokers[0]?.received ?? [];
  const written = writtenBytes();
  const arrived = received.length;
  for (let second = 0; second < DAY_MS / SECOND_MS; second++) {
    bench.bus.feed(events[second % events.length] as Uint8Array);
    bench.clock.advance(SECOND_MS);
    await bench.clock.breathe();
  }
  const summaries = received.slice(arrived).filter(({ topic }) => topic.endsWith("/summary"));
  return {
    writtenBytes: writtenBytes() - written,
    summaries: summaries.length,
    summaryBytes: summaries.reduce((sum, { topic, payload }) => sum + topic.length + payload.length, 0),
  };
}

const result: FlashDay[] = [];
for (let number = 0; number < days; number++) result.push(await day());
let isStopped = false;
const stopped = node.stop("done").finally(() => {
  isStopped = true;
});
while (!isStopped) {
  bench.clock.advance(10);
  await bench.clock.breathe();
}
await stopped;
bench.dispose();
answer({ days: result });
