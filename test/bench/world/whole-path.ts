import { createMqttBroker } from "../../../src/adapters/mqtt/mqtt-broker.ts";
import type { Broker } from "../../../src/ports/broker.ts";
import type { MadeSummary } from "../../../src/runtime/closer.ts";
import { Node } from "../../../src/runtime/node.ts";
import { benchPlan } from "./bench-plan.ts";
import { BENCH_IDENTITY, type BenchWorld, benchWorld, diskFolder } from "./bench-world.ts";
import { frameEvents, READINGS_PER_FRAME } from "./frames.ts";

export interface WholePathOptions {
  readonly sensors: number;
  readonly streamsPerSensor: 1 | 2;
  readonly readingsPerSummary: number;
  readonly framesPerEvent: number;
  readonly url: string;
  readonly inFlightMax: number;
}

/**
 * Length of a window on the clock of the bench, which passes as fast as readings are taken in. A node's ticks are 250 ms and 1 s of
 * that clock, so that there is a flush every 1,000 readings, and one closing and one batch of acknowledgements a window.
 */
export const WINDOW_MS = 500;
/** Summaries that may wait for the broker before the bench holds its breath: memory must not hide a slow broker. */
const PENDING_MAX = 500;
const VARIANTS = 16;

/** A whole node, bytes in to summary acknowledged by a real broker, in one process. The clock is the bench's; the rest is real. */
export class WholePath {
  readonly #options: WholePathOptions;
  readonly #bench: BenchWorld;
  readonly #node: Node;
  readonly #events: readonly Uint8Array[];
  readonly #seen: Seen;
  #fed = 0;

  static async start(options: WholePathOptions): Promise<WholePath> {
    const { sensors, streamsPerSensor, url, inFlightMax } = options;
    const directory = diskFolder();
    const plan = benchPlan({ sensors, streamsPerSensor, windowMs: WINDOW_MS, latenessMs: 0, url, directory, inFlightMax });
    const broker = createMqttBroker({ url, protocol: 5, clientId: "bench", keepAliveMs: 30_000, tls: {} });
    const seen = { samples: 0, acknowledged: 0 };
    const bench = await benchWorld(plan, () => counting(broker, seen));
    const node = await Node.start(plan, bench.world, {
      identity: BENCH_IDENTITY,
      onMade: (made) => {
        seen.samples += samplesIn(made);
      },
    });
    const path = new WholePath(options, bench, node, seen);
    // The node connects when its ports are open, which takes it a moment of its own clock.
    bench.clock.advance(TICK_MS);
    while (!node.status().connection.isUp) await bench.clock.breathe();
    await path.settle();
    return path;
  }

  private constructor(options: WholePathOptions, bench: BenchWorld, node: Node, seen: Seen) {
    this.#options = options;
    this.#bench = bench;
    this.#node = node;
    this.#seen = seen;
    this.#events = frameEvents(options.framesPerEvent, VARIANTS);
  }

  /** Readings of one window of all streams. */
  get readingsPerWindow(): number {
    const { sensors, streamsPerSensor, readingsPerSummary } = this.#options;
    return sensors * streamsPerSensor * readingsPerSummary;
  }

  /** Takes in so many windows of readings, and returns when every summary of them is acknowledged. */
  async run(windows: number): Promise<void> {
    await this.feed(windows);
    await this.settle();
  }

  /** Takes in so many windows of readings. */
  async feed(windows: number): Promise<void> {
    const { clock, bus, world } = this.#bench;
    const eventsPerWindow = this.#options.readingsPerSummary / this.#options.framesPerEvent;
    const stepMs = WINDOW_MS / eventsPerWindow;
    for (let step = 0; step < eventsPerWindow * windows; step++) {
      const data = this.#events[step % VARIANTS] as Uint8Array;
      bus.feed(data);
      clock.advance(stepMs);
      await clock.breathe();
      while (world.outbox.standing().lastPosition - this.#seen.acknowledged > PENDING_MAX) await clock.breathe();
    }
    this.#fed += windows * this.readingsPerWindow;
  }

  /** Lets time pass until every reading is in a summary, waits until the broker has them all, and goes to where a window begins. */
  async settle(): Promise<void> {
    const { clock, world } = this.#bench;
    while (this.#seen.samples < this.#fed) {
      clock.advance(TICK_MS);
      for (let breath = 0; breath < BREATHS_PER_TICK; breath++) await clock.breathe();
    }
    // Time stands still meanwhile, or the sensors would count as silent.
    while (this.#seen.acknowledged < world.outbox.standing().lastPosition) await clock.breathe();
    if (this.#seen.samples !== this.#fed) throw new Error(`${this.#fed} readings fed, ${this.#seen.samples} in summaries`);
    clock.advance(WINDOW_MS - (clock.wallMs() % WINDOW_MS));
  }

  /** Ends the node and removes its files. */
  async stop(): Promise<void> {
    const { clock } = this.#bench;
    let lastMs = performance.now();
    let isStopped = false;
    const stopped = this.#node.stop("done").finally(() => {
      isStopped = true;
    });
    while (!isStopped) {
      // A stop waits for the broker: here the two clocks go alike.
      clock.advance(performance.now() - lastMs);
      lastMs = performance.now();
      await clock.breathe();
    }
    await stopped;
    this.#bench.dispose();
  }
}

const TICK_MS = 250;
/** Enough to close a window of a thousand streams. */
const BREATHS_PER_TICK = 100;

/** What has come out so far: samples in summaries, and PUBACKs. */
interface Seen {
  samples: number;
  acknowledged: number;
}

/** The same broker, with its PUBACKs of the outbox counted. */
function counting(broker: Broker, seen: Seen): Broker {
  return {
    connect: (request, listener) =>
      broker.connect(request, (event) => {
        if (event.type === "acknowledged" && event.token > 0) seen.acknowledged++;
        listener(event);
      }),
  };
}

function samplesIn({ summary }: MadeSummary): number {
  return summary.body.is === "stats" ? Number(summary.body.stats.samples) : 0;
}

export const readingsPerEvent = (framesPerEvent: number): number => framesPerEvent * READINGS_PER_FRAME;
