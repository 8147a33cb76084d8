import { expect, it } from "vitest";
import { openLab } from "../../support/lab.ts";
import { announcedSeed } from "../../support/seed.ts";
import { expectKeptPromises, runUnderKills } from "./kill-loop.ts";

const NODES = 5;
const KILLS_EACH = 10;

it(`${NODES * KILLS_EACH} times kill -9 at random moments: every window once, a flush lost at most, and the loss shows`, {
  timeout: 150_000,
}, async () => {
  const lab = openLab();
  const seed = announcedSeed("kill -9");
  const broker = await lab.mosquitto();
  const subscriber = await lab.subscriber(broker.url);
  const nodes = Array.from({ length: NODES }, (_, index) => runUnderKills(lab, broker.url, `n${index}`, KILLS_EACH, seed + index));
  const all = await Promise.all(nodes);
  for (const killed of all) {
    const lost = expectKeptPromises(killed, subscriber.messages);
    expect(lost, "the kills did interrupt something").toBeGreaterThan(KILLS_EACH);
  }
});
