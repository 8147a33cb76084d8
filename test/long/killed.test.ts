import { expect, it } from "vitest";
import { expectKeptPromises, runUnderKills } from "../integration/node/kill-loop.ts";
import { openLab } from "../support/lab.ts";
import { announcedSeed } from "../support/seed.ts";

const NODES = 5;
const KILLS_EACH = 40;

it(`${NODES * KILLS_EACH} times kill -9 at random moments: every window once, a flush lost at most, and the loss shows`, {
  timeout: 1_200_000,
}, async () => {
  const lab = openLab();
  const seed = announcedSeed("kill -9, long");
  const broker = await lab.mosquitto();
  const subscriber = await lab.subscriber(broker.url);
  const nodes = Array.from({ length: NODES }, (_, index) => runUnderKills(lab, broker.url, `n${index}`, KILLS_EACH, seed + index));
  for (const killed of await Promise.all(nodes)) {
    expect(expectKeptPromises(killed, subscriber.messages)).toBeGreaterThan(KILLS_EACH);
  }
});
