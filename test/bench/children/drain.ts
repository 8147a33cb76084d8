import { rmSync } from "node:fs";
import { join } from "node:path";
import { connect } from "mqtt";
import { createMqttBroker } from "../../../src/adapters/mqtt/mqtt-broker.ts";
import { openOutbox } from "../../../src/adapters/sqlite/outbox.ts";
import { createSystemClock } from "../../../src/adapters/system-clock.ts";
import { createSystemCrypto } from "../../../src/adapters/system-crypto.ts";
import type { Message } from "../../../src/core/anonymise/message.ts";
import type { EpochMs } from "../../../src/core/units/time.ts";
import { Publisher } from "../../../src/runtime/publisher.ts";
import { TimeDesk } from "../../../src/runtime/time-desk.ts";
import { lostStatus } from "../../support/messages.ts";
import { startMosquitto } from "../../support/mosquitto.ts";
import { answer, inputOf } from "../child.ts";
import { summaryLike } from "../world/backlog.ts";
import { diskFolder } from "../world/bench-world.ts";

export interface DrainInput {
  readonly brokerConfig: readonly string[];
  readonly inFlightMax: number;
  readonly messages: number;
  readonly rounds: number;
}

export interface DrainRound {
  readonly drainPerSecond: number;
  readonly barePerSecond: number;
}

const input = inputOf<DrainInput>();
const COMMIT_ROWS = 500;
const mosquitto = await startMosquitto({ config: input.brokerConfig });
const directory = diskFolder();
const crypto = createSystemCrypto();
const clock = createSystemClock();
const outbox = await openOutbox({ directory: join(directory, "store"), randomBytes: (count) => crypto.randomBytes(count) });
const events = { emit: () => {} };
const publisher = new Publisher(
  {
    clock,
    crypto,
    events,
    outbox,
    time: new TimeDesk(clock, events, "operator", () => {}),
    broker: createMqttBroker({ url: mosquitto.url, protocol: 5, clientId: "drain", keepAliveMs: 30_000, tls: {} }),
    will: () => lostStatus,
    greeting: () => lostStatus,
  },
  { inFlightMax: input.inFlightMax, ackTimeoutMs: 30_000, perSecond: null, spreadMs: 0, departMs: 0 },
);
const bare = connect(mosquitto.url, { protocolVersion: 5, clientId: "bare" });
await new Promise<void>((resolve) => bare.once("connect", () => resolve()));
(bare.stream as unknown as { setNoDelay(on: boolean): void }).setNoDelay(true);

let seq = outbox.standing().lastSeq;
async function fill(count: number): Promise<void> {
  for (let made = 0; made < count; made += COMMIT_ROWS) {
    const rows = Array.from({ length: COMMIT_ROWS }, () => ({ message: summaryLike(++seq), seq }));
    await outbox.commit({ rows, marks: new Map(), facts: new Map(), madeAt: Date.now() as EpochMs });
  }
}

/** The outbox as it stands, read row by row, sent, acknowledged and written down. */
async function drain(): Promise<void> {
  publisher.wake();
  while (outbox.standing().pendingRows > 0) await new Promise((resolve) => setImmediate(resolve));
}

const prepared = Array.from({ length: COMMIT_ROWS }, (_, index) => summaryLike(index + 1));

/** Messages of the same size, made beforehand, that are forgotten when they are acknowledged. */
function publishBare(count: number): Promise<void> {
  return new Promise((resolve) => {
    let sent = 0;
    let acknowledged = 0;
    const next = (): void => {
      if (sent === count) return;
      const { topic, payload } = prepared[sent++ % COMMIT_ROWS] as Message;
      bare.publish(topic, payload as Buffer, { qos: 1 }, () => {
        acknowledged++;
        if (acknowledged === count) resolve();
        else next();
      });
    };
    for (let index = 0; index < input.inFlightMax; index++) next();
  });
}

async function perSecond(work: () => Promise<void>): Promise<number> {
  const startedMs = performance.now();
  await work();
  return (input.messages * 1_000) / (performance.now() - startedMs);
}

publisher.start();
while (!publisher.report.isUp) await new Promise((resolve) => setTimeout(resolve, 5));
await fill(input.messages);
await drain();
await publishBare(input.messages);
const rounds: DrainRound[] = [];
for (let round = 0; round < input.rounds; round++) {
  await fill(input.messages);
  const drainPerSecond = await perSecond(drain);
  const barePerSecond = await perSecond(() => publishBare(input.messages));
  rounds.push({ drainPerSecond, barePerSecond });
}
await outbox.close();
bare.end(true);
await mosquitto.stop();
rmSync(directory, { recursive: true });
answer({ rounds, payloadBytes: summaryLike(1).payload.length });
