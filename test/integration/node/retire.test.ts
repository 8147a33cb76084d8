import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Lab, openLab } from "../../support/lab.ts";
import { type NodeSite, PREFIX, stoep } from "../../support/node-process.ts";
import type { Received, Subscriber } from "../../support/subscriber.ts";
import { summariesOf } from "../../support/summaries.ts";

const STATUS = `${PREFIX}/n0042/status`;
const META = `${PREFIX}/n0042/meta`;
const metaOf = (sensor: string): string => `${PREFIX}/n0042/${sensor}/meta`;

const simulator = () => ({ driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } });
const ACL = `${["topic readwrite #", "", "user barred", "topic read #", "topic write city/test/n0042/status"].join("\n")}\n`;

/** What a broker retains: a new subscriber is given it at once. */
async function retainedAt(lab: Lab, url: string): Promise<ReadonlyMap<string, string>> {
  const witness = await lab.subscriber(url, `${PREFIX}/#`);
  await witness.roundTrip();
  return new Map(witness.messages.map(({ topic, payload }) => [topic, payload.toString("utf8")]));
}

const isFilled = (site: NodeSite) => site.statusWhen(({ connection, outbox }) => connection.isUp && outbox.rows === 0);

const clearedAt = ({ messages }: Subscriber): readonly Received[] => messages.filter(({ payload }) => payload.length === 0);

describe("stoep retire", () => {
  it("through the running node: everything retained is gone, no will follows, and a later start says it all again", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const site = lab.site({ broker: { url: broker.url }, sensors: { air: simulator(), roof: simulator() } });
    const node = await site.runUntilReady();
    await isFilled(site);
    // A sensor is taken out: the broker forgets its meta with the next start.
    expect((await node.stop()).code).toBe(0);
    site.write({ broker: { url: broker.url }, sensors: { air: simulator() } });
    const second = await site.runUntilReady();
    await isFilled(site);
    const topics = [STATUS, META, metaOf("air")];
    expect([...(await retainedAt(lab, broker.url)).keys()].sort()).toEqual([...topics].sort());

    const dry = await stoep(["retire", site.file, "--dry-run", "--json"]);
    expect([dry.code, dry.stderr]).toEqual([0, ""]);
    expect(JSON.parse(dry.stdout).topics.sort()).toEqual([...topics].sort());
    const unsure = await stoep(["retire", site.file]);
    expect(unsure.code).toBe(64);
    expect(unsure.stderr).toContain("What to do: type stoep retire --yes");
    expect((await retainedAt(lab, broker.url)).size, "nothing was done").toBe(3);

    const witness = await lab.subscriber(broker.url, `${PREFIX}/#`);
    const { code, stdout, stderr } = await stoep(["retire", site.file, "--yes"]);
    expect([code, stderr]).toEqual([0, ""]);
    for (const topic of topics) expect(stdout).toMatch(new RegExp(`${topic} +cleared`));
    expect(stdout).toContain("stays away from the broker until it is started again");
    expect((await retainedAt(lab, broker.url)).size).toBe(0);
    const { status, connection } = await site.status();
    expect(connection.isUp).toBe(false);
    expect(status.problems.map(({ code: problem }) => problem)).toContain("RETIRED");
    expect((await second.kill9()).signal).toBe("SIGKILL");
    await witness.roundTrip();
    const said = witness.messages.filter(({ topic }) => topic === STATUS).map(({ payload }) => payload.toString("utf8"));
    expect(said.at(-1), "neither a will nor a goodbye after it was cleared").toBe("");
    expect(said.some((text) => text.includes('"state":"lost"'))).toBe(false);

    const third = await site.runUntilReady();
    await isFilled(site);
    expect([...(await retainedAt(lab, broker.url)).keys()].sort()).toEqual([STATUS, META, metaOf("air")].sort());
    expect((await third.stop()).code).toBe(0);
  });

  it("of a node that does not run: the outbox stays, and is published first with --drain", async () => {
    const lab = openLab();
    const broker = await lab.mosquitto();
    const site = lab.site({ broker: { url: broker.url }, sensors: { air: simulator() } });
    const node = await site.runUntilReady();
    await isFilled(site);
    await broker.shutDown();
    const waiting = (await site.statusWhen(({ outbox }) => outbox.rows > 0, 25_000)).outbox.rows;
    await node.kill9();
    const away = await stoep(["retire", site.file, "--yes"]);
    expect(away.code).toBe(69);
    expect(away.stderr).toMatch(/not everything was cleared \(network: ECONNREFUSED\)\. What to do: /);

    await broker.restart();
    const witness = await lab.subscriber(broker.url, `${PREFIX}/#`);
    const kept = await stoep(["retire", site.file, "--yes", "--json"]);
    expect(kept.code).toBe(0);
    expect(JSON.parse(kept.stdout)).toMatchObject({ pending: waiting, trouble: null });
    await witness.roundTrip();
    expect(clearedAt(witness).length).toBe(3);
    expect(summariesOf(witness.messages)).toEqual([]);
    const drained = await stoep(["retire", site.file, "--yes", "--drain", "20s", "--json"]);
    expect([drained.code, drained.stderr]).toEqual([0, ""]);
    expect(JSON.parse(drained.stdout)).toMatchObject({ pending: 0, trouble: null });
    await witness.roundTrip();
    expect(summariesOf(witness.messages).length).toBe(waiting);
    expect((await retainedAt(lab, broker.url)).size).toBe(0);
  });

  it("says which topics the broker refuses, ends with 69, and can be tried again", async () => {
    const lab = openLab();
    const folder = mkdtempSync(join(tmpdir(), "stoep-acl-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const files = { [`${folder}/acl`]: ACL };
    const broker = await lab.mosquitto({ config: ["allow_anonymous true", `acl_file ${folder}/acl`], files });
    const site = lab.site({ broker: { url: broker.url }, sensors: { air: simulator() } });
    const node = await site.runUntilReady();
    await isFilled(site);
    expect((await node.stop()).code).toBe(0);
    site.write({ broker: { url: broker.url, username: "barred" }, sensors: { air: simulator() } });
    const { code, stdout, stderr } = await stoep(["retire", site.file, "--yes"]);
    expect(code).toBe(69);
    expect(stdout).toMatch(new RegExp(`${STATUS} +cleared`));
    expect(stdout).toMatch(new RegExp(`${metaOf("air")} +refused`));
    expect(stderr).toContain("not everything was cleared (not-authorised)");
    site.write({ broker: { url: broker.url }, sensors: { air: simulator() } });
    expect((await stoep(["retire", site.file, "--yes"])).code).toBe(0);
    expect((await retainedAt(lab, broker.url)).size).toBe(0);
  });

  it("connects to no place that the config does not allow", async () => {
    const lab = openLab();
    const broker = { url: "mqtts://5.161.1.1:8883", residency: { mode: "strict", allow: ["EU"] }, allowSimulated: true };
    const site = lab.site({ broker, sensors: { air: simulator() } });
    const { code, stderr } = await stoep(["retire", site.file, "--yes", "--drain", "1s"]);
    expect(code).toBe(69);
    expect(stderr).toContain("RESIDENCY_REFUSED location-outside");
  });

  it("ends with 64 on a duration that is none, and with 69 when the running node has no connection", async () => {
    const lab = openLab();
    const site = lab.site({ broker: { url: "mqtt://127.0.0.1:1" }, sensors: { air: simulator() } });
    expect((await stoep(["retire", site.file, "--drain", "soon"])).code).toBe(64);
    await site.runUntilReady();
    const { code, stderr } = await stoep(["retire", site.file, "--yes"]);
    expect(code).toBe(69);
    expect(stderr).toContain("the node has no connection to its broker");
    expect((await site.status()).status.problems.map(({ code: problem }) => problem)).not.toContain("RETIRED");
  });
});
