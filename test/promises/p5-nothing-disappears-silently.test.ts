import { expect, it } from "vitest";
import { Seeded } from "../../src/testing/driver-checks/seeded.ts";
import { openLab } from "../support/lab.ts";
import { stoep } from "../support/node-process.ts";
import { feedInPieces, randomDust, randomNuisance, sds011Frame } from "../support/sds011.ts";
import { announcedSeed } from "../support/seed.ts";

const ROUNDS = 200;
/** Beyond the 999.9 ug/m3 of the data sheet. */
const TOO_MUCH = 40_000;

it("P5: after a noisy run every byte and every reading is accounted for, by its reason", async () => {
  const lab = openLab();
  const seeded = new Seeded(announcedSeed("P5"));
  const pty = await lab.pty();
  const sensors = { air: { driver: "sds011", serial: { path: pty.path }, streams: { pm25: {} } } };
  const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors });
  const node = await site.runUntilReady();
  await node.event("SensorOpened");
  const told = { bytes: 0, frames: 0, unmeasured: 0, tooMuch: 0, noise: 0, checksum: 0, length: 0 };
  const say = async (bytes: Uint8Array): Promise<void> => {
    told.bytes += bytes.length;
    await feedInPieces(pty, bytes, seeded);
  };
  for (let round = 0; round < ROUNDS; round++) {
    const { bytes, discarded } = randomNuisance(seeded);
    told.noise += discarded.noise;
    told.checksum += discarded.checksum;
    told.length += discarded.length;
    await say(bytes);
    const kind = seeded.pick(["sound", "unmeasured", "too much"]);
    if (kind === "unmeasured") told.unmeasured++;
    if (kind === "too much") told.tooMuch++;
    told.frames++;
    const sound = randomDust(seeded);
    await say(sds011Frame(kind === "unmeasured" ? { pm25: 0, pm10: 0 } : kind === "too much" ? { ...sound, pm25: TOO_MUCH } : sound));
  }

  const { sensors: after } = await site.statusWhen(({ sensors: all }) => all.air?.counters?.bytes === told.bytes);
  const { frames, unmeasured, tooMuch, noise, checksum, length } = told;
  expect(after.air?.balanced).toBe(true);
  expect(after.air?.counters).toMatchObject({
    emitted: 2 * frames,
    stored: frames - unmeasured - tooMuch,
    setAside: unmeasured,
    discardedBytes: { noise, checksum, length },
  });
  const dropped = Object.entries(after.air?.counters?.dropped ?? {}).filter(([, count]) => count > 0);
  expect(Object.fromEntries(dropped)).toEqual({ "out-of-range": tooMuch, "not-published": frames });
  const { stdout } = await stoep(["status", site.file]);
  expect(stdout).toContain(`${tooMuch} out-of-range, ${frames} not-published`);
  expect(stdout).toContain("counters balance");
  await node.stop();
  expect(node.events("BalanceBroken")).toEqual([]);
});
