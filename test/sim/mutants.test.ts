import { describe, expect, it } from "vitest";
import type { Acknowledgement, CloseBatch } from "../../src/ports/outbox.ts";
import type { World } from "../../src/runtime/node.ts";
import type { FaultKind } from "../../src/testing/simulation/faults.ts";
import { withMethod } from "../../src/testing/simulation/life.ts";
import { outlineOf } from "../../src/testing/simulation/simulation.ts";
import { HOURS, world } from "./worlds.ts";

/** A bug, planted at a port of the node, and by which promise it must be found. */
interface Mutant {
  readonly name: string;
  readonly broken: RegExp;
  /** It is found in the worlds 1 to this. */
  readonly seeds: number;
  /** In others it does nothing wrong: these are not even tried. */
  readonly needs?: FaultKind;
  spoil(world: World): World;
}

/** As if the row behind the last had been taken, too. */
function withNext({ sent, refused }: Acknowledgement, lastPosition: number): Acknowledgement {
  const last = sent.at(-1);
  if (last === undefined || last.position >= lastPosition) return { sent, refused };
  return { sent: [...sent, { ...last, position: last.position + 1, seq: null }], refused };
}

const MUTANTS: readonly Mutant[] = [
  {
    name: "a broker port that acknowledges what it is given, not what arrived",
    broken: /P3 what counts as delivered|queues are bounded/,
    seeds: 20,
    spoil: (world) => ({
      ...world,
      broker: {
        connect: (request, listener) => {
          const link = world.broker.connect(request, (event) => event.type !== "acknowledged" && listener(event));
          return {
            publish: (message, token) => {
              link.publish(message, token);
              world.clock.after(0, () => listener({ type: "acknowledged", token, reasonCode: 0 }));
            },
            end: () => link.end(),
            destroy: () => link.destroy(),
          };
        },
      },
    }),
  },
  {
    name: "an outbox that forgets the marks",
    broken: /P3|P5/,
    seeds: 20,
    spoil: (world) => ({
      ...world,
      outbox: withMethod(world.outbox, "commit", (batch: CloseBatch) => world.outbox.commit({ ...batch, marks: new Map() })),
    }),
  },
  {
    name: "an outbox that counts one row more as delivered than was acknowledged",
    broken: /P3 what counts as delivered|P5 the egress log/,
    seeds: 40,
    spoil: (world) => ({
      ...world,
      outbox: withMethod(world.outbox, "acknowledge", (acknowledgement) =>
        world.outbox.acknowledge(withNext(acknowledgement, world.outbox.standing().lastPosition)),
      ),
    }),
  },
  {
    name: "a closer that closes every window twice",
    broken: /P3|P4|P5|P7/,
    seeds: 20,
    spoil: (world) => ({
      ...world,
      outbox: withMethod(world.outbox, "marks", async () => {
        const marks = await world.outbox.marks();
        return new Map([...marks].map(([id, mark]) => [id, { ...mark, closedTo: (mark.closedTo - 300_000) as typeof mark.closedTo }]));
      }),
    }),
  },
  {
    name: "a live store that lets noise be drawn again",
    broken: /P4 noise is drawn once/,
    seeds: 20,
    spoil: (world) => {
      const claimDraws: World["live"]["claimDraws"] = (...all) => {
        world.live.claimDraws(...all);
        return new Set();
      };
      return { ...world, live: withMethod(world.live, "claimDraws", claimDraws) };
    },
  },
  {
    name: "a live store that loses a chunk now and then, and says nothing",
    broken: /statistics|P5/,
    seeds: 5,
    spoil: (world) => {
      let chunks = 0;
      return { ...world, live: withMethod(world.live, "append", (chunk) => chunks++ % 100 !== 99 && world.live.append(chunk)) };
    },
  },
  {
    name: "a live store that keeps a chunk twice",
    broken: /statistics|P5/,
    seeds: 5,
    spoil: (world) => {
      let chunks = 0;
      return {
        ...world,
        live: withMethod(world.live, "append", (chunk) => {
          world.live.append(chunk);
          if (chunks++ % 100 === 99) world.live.append(chunk);
        }),
      };
    },
  },
  {
    name: "a clock that is trusted when nobody vouches for it",
    broken: /P7|statistics/,
    needs: "power-cut",
    seeds: 40,
    spoil: (world) => ({
      ...world,
      clock: { ...world.clock, testimonies: () => Promise.resolve([{ witness: "kernel", says: "synced", errorMs: null }]) },
    }),
  },
  {
    // Of these coins every draw is 0. Most other bytes are refused: "the random source repeats itself".
    name: "a source of noise that always gives the same",
    broken: /P1 a count of people/,
    seeds: 40,
    spoil: (world) => ({ ...world, crypto: { ...world.crypto, fillRandom: (bytes) => void bytes.fill(0x55) } }),
  },
  {
    name: "a log that quotes what came in",
    broken: /P1 nothing that somebody said/,
    seeds: 10,
    spoil: (world) => ({
      ...world,
      serial: {
        realPath: (path) => world.serial.realPath(path),
        open: (path, settings, listener) =>
          world.serial.open(path, settings, (event) => {
            if (event.type === "bytes") {
              const detail = new TextDecoder().decode(event.data);
              world.events.emit({ type: "CloseFailed", detail });
            }
            listener(event);
          }),
      },
    }),
  },
  {
    name: "a node that connects again while it is connected",
    broken: /P8/,
    seeds: 5,
    spoil: (world) => ({
      ...world,
      broker: {
        connect: (request, listener) => {
          world.clock.after(1_000, () => world.broker.connect(request, () => undefined));
          return world.broker.connect(request, listener);
        },
      },
    }),
  },
];

describe("a bug that is planted at a port is found", { timeout: 300_000 }, () => {
  it.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))("%s", async (_, { spoil, broken, seeds, needs }) => {
    for (let seed = 1; seed <= seeds; seed++) {
      if (needs !== undefined && !outlineOf(seed, HOURS).faults.includes(needs)) continue;
      const { finding } = await world(seed, { spoil });
      if (finding === null) continue;
      console.log(`found with seed ${seed} at step ${finding.step}: ${finding.invariant}`);
      expect(`${finding.invariant}: ${finding.what}`).toMatch(broken);
      return;
    }
    expect.fail(`not found in ${seeds} worlds`);
  });
});

it("a failure that nobody met is found", async () => {
  // Vitest listens too, and would call the run failed.
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  try {
    const { finding } = await world(1, {
      spoil: (around) => {
        around.clock.after(60_000, () => void Promise.reject(new Error("planted")));
        return around;
      },
    });
    expect(finding).toMatchObject({ invariant: expect.stringMatching(/^P6/), what: expect.stringContaining("nobody met Error: planted") });
  } finally {
    for (const listener of others) process.on("unhandledRejection", listener);
  }
});
