import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { qrSvg } from "../../src/cli/qr-code.ts";
import { parseNodeFile } from "../../src/config/parse.ts";
import type { NodePlan } from "../../src/config/plan.ts";
import { planNode } from "../../src/config/plan-node.ts";
import { dpia } from "../../src/config/reports/dpia.ts";
import { notice } from "../../src/config/reports/notice.ts";
import { processing, processingText } from "../../src/config/reports/processing.ts";
import { register } from "../../src/config/reports/register.ts";
import { PEOPLE_WAIT_LONGEST_MS } from "../../src/config/reports/retention.ts";
import { quantityWords } from "../../src/config/reports/words.ts";
import { findQuantity, QUANTITIES } from "../../src/core/reading/quantity.ts";
import type { EvidenceRecord } from "../../src/core/residency/evidence.ts";
import type { ChannelSpec } from "../../src/driver-api/driver.ts";
import { PEOPLE_WAIT_MS_MAX } from "../../src/runtime/ingest.ts";
import { newEvidence } from "../support/evidence.ts";
import { amsterdamSchema, sensrnetSchema } from "../support/register-schemas.ts";
import { fakeDrivers } from "./config-fake-drivers.ts";

// To write the documents anew: vitest run test/contract/reports.test.ts -u

const ORIGIN = { file: "node.yaml", rev: "0a1b2c3d", version: "0.1.0" };

function planOf(text: string): NodePlan {
  const { plan, problems } = planNode(parseNodeFile(text, "node.yaml"), fakeDrivers);
  if (plan === null) throw new Error(problems.map(({ message }) => message).join("\n"));
  return plan;
}

const example = planOf(readFileSync(new URL("../../config/node.example.yaml", import.meta.url), "utf8"));

/** A file that says as little as it may, about people. */
const bare = planOf(`stoep: 1
node: { id: n1 }
broker: { url: "mqtts://mqtt.voorbeeld.example", prefix: p }
sensors:
  gate-1:
    driver: ops243
    serial: { path: /dev/serial/by-id/radar }
    streams: { passages: { policy: noised, epsilon: 1 } }
`);

/** Nothing but the surroundings. */
const air = planOf(`stoep: 1
node: { id: n1, name: A lamp post, purpose: Air, owner: { name: City, contact: City hall, website: "https://city.example" } }
broker: { url: "mqtt://127.0.0.1", prefix: p }
sensors: { air-1: { driver: sds011, serial: { path: /dev/serial/by-id/dust } } }
`);

const documents = (plan: NodePlan): Record<string, string> => ({
  "dpia.md": dpia(plan, ORIGIN),
  "processing.nl.md": processingText(processing(plan, "nl"), ORIGIN, "nl"),
  "processing.en.md": processingText(processing(plan, "en"), ORIGIN, "en"),
  "register.txt": `${JSON.stringify(register(plan), null, 2)}\n`,
  "notice.html": notice(plan, { origin: ORIGIN, qrSvg: null }),
});

describe("the country of the broker", () => {
  const record = (changes: Partial<EvidenceRecord> = {}): EvidenceRecord => ({ ...newEvidence(changes), prev: "" });
  const withPlace = (evidence: EvidenceRecord | null) => dpia(example, { ...ORIGIN, evidence });

  it("is filled in from the evidence, with the days on which it was so", () => {
    const said = "DE volgens een adressendatabase van 2026-06-17, opgezocht op 2026-11-23, netwerk van een exploitant in DE; te bevestigen";
    expect(withPlace(record())).toContain(said);
    expect(withPlace(record())).toContain("niet van toepassing (binnen de EER), als dat klopt");
    const entry = processingText(processing(example, "en", record()), ORIGIN, "en");
    expect(entry).toContain("country: DE by an address database of 2026-06-17, looked up on 2026-11-23");
  });

  it.each([
    ["another broker", { host: "elsewhere.example" }],
    ["a refusal", { connectedTo: null }],
    ["a clock that nobody vouched for", { clockTrusted: false }],
    ["an address without a country", { addresses: [{ address: "11.0.0.1", location: null, operator: null }] }],
    ["an address that is answered from everywhere", { reasons: ["anycast"] }],
  ] satisfies [string, Partial<EvidenceRecord>][])("stays a blank when the record is of %s", (_what, changes) => {
    expect(withPlace(record(changes))).toBe(withPlace(null));
  });

  it("calls nothing European that is listed elsewhere", () => {
    const abroad = withPlace(record({ addresses: [{ address: "5.161.1.1", location: "US", operator: "DE" }] }));
    expect(abroad).toContain("US volgens een adressendatabase");
    expect(abroad).not.toContain("binnen de EER");
  });
});

describe("every document", () => {
  it.each(Object.entries(documents(example)))("is as it was written down: %s", async (name, text) => {
    await expect(text).toMatchFileSnapshot(`./reports/${name}`);
  });

  it.each(Object.entries({ example, bare, air }))("of %s says nothing that a program says by mistake", (_name, plan) => {
    const { "register.txt": _, ...texts } = documents(plan);
    for (const text of Object.values(texts)) expect(text).not.toMatch(/undefined|NaN|\bnull\b|\[object/);
  });

  it("marks what the file does not say, and only that", () => {
    const [full, empty] = [documents(example), documents(bare)];
    const facts = ["Gemeente Voorbeeld", "sensoren@voorbeeld.example", "Traffic flow and air quality on the Vondelstraat", "52.361"];
    for (const name of ["dpia.md", "processing.nl.md", "register.txt", "notice.html"]) {
      const said = facts
        .filter((fact) => name !== "notice.html" || fact !== "52.361")
        .filter((fact) => name !== "processing.nl.md" || fact !== "52.361");
      for (const fact of said) expect(full[name], `${name} has ${fact}`).toContain(fact);
      expect(empty[name]).not.toMatch(/Gemeente|voorbeeld\.example\/|Vondelstraat|Amsterdam,/);
    }
    expect(empty["dpia.md"]).toMatch(/\| Verwerkingsverantwoordelijke +\| \[in te vullen\] +\|/);
    expect(empty["dpia.md"]).toContain("Doel volgens de configuratie: [in te vullen].");
    expect(empty["dpia.md"]).toContain("in de node zelf: [in te vullen]");
    expect(full["dpia.md"], "the config knows no country").toContain("`mqtt.voorbeeld.example`, land: [in te vullen]");
    expect(empty["processing.en.md"]).toContain("## b. Purposes of the processing\n\n- [to be filled in]");
    expect(empty["notice.html"]).toContain("<mark>[in te vullen: waarvoor wordt hier gemeten]</mark>");
    expect(empty["notice.html"]).toContain("<mark>[to be filled in: web address of the owner, for the QR code]</mark>");
  });

  it("says how long readings of people may wait as the runtime does it", () => {
    expect(PEOPLE_WAIT_LONGEST_MS).toBe(PEOPLE_WAIT_MS_MAX);
    expect(documents(bare)["dpia.md"]).toContain(
      "gesloten is, 30 seconden na afloop; lukt dat niet (klok, opslag), dan hoogstens 1 uur langer",
    );
  });

  it("has a word for every quantity, in both languages", () => {
    for (const name of Object.keys(QUANTITIES)) {
      expect(quantityWords(name, "nl")).toMatch(/[a-z]/);
      expect(quantityWords(name, "nl")).not.toBe(name);
    }
    expect(quantityWords("squirrels", "nl"), "what is not in the vocabulary is called by its name").toBe("squirrels");
  });
});

describe("the DPIA", () => {
  const JUDGEMENTS = [7, 9, 11, 13, 14, 16];
  const sections = (text: string): Map<number, string> =>
    new Map(text.split(/^## /m).flatMap((part) => (/^\d/.test(part) ? [[Number.parseInt(part, 10), part] as const] : [])));

  it.each(Object.entries({ example, bare, air }))("of %s has 17 sections, and leaves every judgement blank", (_name, plan) => {
    const found = sections(dpia(plan, ORIGIN));
    expect([...found.keys()]).toEqual(Array.from({ length: 18 }, (_, index) => index));
    for (const number of JUDGEMENTS) {
      const [title, body, question, ...more] = (found.get(number) ?? "").trim().split("\n\n");
      expect(title).toMatch(/^\d+\. \S/);
      expect(body).toBe("**Oordeel: niet ingevuld.** Dit kan niet uit de configuratie worden afgeleid.");
      expect(question).toMatch(/^> \[in te vullen: .+\]$/);
      expect(more).toEqual([]);
    }
  });

  it("prints what the operator declares", () => {
    const text = dpia(example, ORIGIN);
    expect(text).toContain("- Account `library` (`door-1`): verklaard wordt dat deze mensen niet door een ander account worden gezien.");
    const declared = planOf(`stoep: 1
node: { id: n1 }
broker: { url: "mqtt://127.0.0.1", prefix: p }
sensors:
  tree-1:
    driver: json-lines
    serial: { path: /dev/serial/by-id/tree, baud: 9600 }
    options: { channels: { sway: { quantity: squirrels, unit: "1" } } }
    streams: { sway: { sensitivity: environmental, because: only *squirrels* fit through, policy: open } }
`);
    expect(dpia(declared, ORIGIN)).toContain(
      "`tree-1.sway`: verklaard wordt dat dit niet van mensen afkomstig is, want: only \\*squirrels\\* fit",
    );
  });
});

describe("the record of processing activities", () => {
  it("says that there is nothing to enter when no sensor is about people", () => {
    expect(processing(air, "en").isOfPeople).toBe(false);
    expect(processing(bare, "en").isOfPeople).toBe(true);
    expect(processingText(processing(air, "en"), ORIGIN, "en")).toContain("No sensor of this node measures anything of people.");
  });

  it("has the seven points of article 30(1)", () => {
    expect(processing(bare, "nl").points.map(({ point }) => point)).toEqual(["a", "b", "c", "d", "e", "f", "g"]);
    for (const { says } of processing(bare, "nl").points) expect(says.length).toBeGreaterThan(0);
  });
});

/** By the driver or by the vocabulary: asked anew, not taken from the plan. */
const stemsFromPeople = ({ sensitivity, quantity }: ChannelSpec): boolean =>
  sensitivity !== "environmental" || findQuantity(quantity)?.floor !== "environmental";

type Entry = Record<string, unknown>;

/** Where a register says that nothing of people is processed and the drivers say otherwise (privacy reference, T12). */
function contradictions(plan: NodePlan, { sensrnet, amsterdam }: { sensrnet: object; amsterdam: readonly object[] }): string[] {
  const ofPeople = new Set(
    plan.sensors.filter(({ driver, options }) => driver.channels(options).some(stemsFromPeople)).map(({ id }) => String(id)),
  );
  const groups = plan.groups.map(({ id }) => String(id));
  const rows = sensrnetSchema.parse(sensrnet).sensors.flatMap(({ datastreams }) => datastreams);
  return [
    ...rows
      .filter(({ datastream: { name, containsPersonalInfoData } }) => {
        const sensor = name.slice(0, name.indexOf("."));
        return (ofPeople.has(sensor) || groups.includes(sensor)) !== containsPersonalInfoData;
      })
      .map(({ datastream: { name } }) => name),
    ...amsterdamSchema
      .parse(amsterdam)
      .filter(({ reference, contains_pi_data }) => ofPeople.has(reference.slice(reference.indexOf("/") + 1)) !== contains_pi_data)
      .map(({ reference }) => reference),
  ];
}

describe("the sensor register", () => {
  const lot = planOf(`stoep: 1
node: { id: n1, location: { latitude: 52, longitude: 4 } }
broker: { url: "mqtt://127.0.0.1", prefix: p }
sensors:
${Array.from({ length: 20 }, (_, at) => {
  const port = `gpio: { chip: "0", line: ${at}, edge: both }`;
  const streams = "streams: { state: { channel: bay_state, policy: withheld } }";
  return `  bay-${at}: { driver: contact, ${port}, options: { quantity: bay_state }, ${streams} }`;
}).join("\n")}
groups: { lot: { members: ["bay-*.state"], policy: minimum-count } }
`);

  it.each(Object.entries({ example, lot }))("of %s is what SensRNet and Amsterdam take", (_name, plan) => {
    const { sensrnet, amsterdam } = register(plan);
    expect(sensrnetSchema.safeParse(sensrnet).error?.issues).toBeUndefined();
    expect(amsterdamSchema.safeParse(amsterdam).error?.issues).toBeUndefined();
  });

  it.each(Object.entries({ example, lot }))("of %s says of every sensor of people that it processes personal data", (_name, plan) => {
    expect(contradictions(plan, register(plan))).toEqual([]);
    expect(JSON.stringify(register(plan))).toContain('"contains_pi_data":true');
  });

  it("would be caught saying otherwise", () => {
    const text = JSON.stringify(register(example));
    const mutant = (from: string, to: string) => contradictions(example, JSON.parse(text.replaceAll(from, to)));
    expect(mutant('"containsPersonalInfoData":true', '"containsPersonalInfoData":false')).toEqual([
      ...["gate-1.passages", "gate-1.speed", "gate-1.passages_1d", "door-1.entries", "gate-2.passages"],
    ]);
    expect(mutant('"contains_pi_data":true', '"contains_pi_data":false')).toEqual(
      ["gate-1", "door-1", "gate-2", "bay-01"].map((id) => `n0042/${id}`),
    );
    expect(() => mutant(',"containsPersonalInfoData":true', ""), "its default there is false").toThrow();
  });

  it("lists everything that is still to be filled in, and nothing else is missing", () => {
    const { sensrnet, amsterdam, toBeFilledIn } = register(bare);
    const wrong = sensrnetSchema.safeParse(sensrnet).error?.issues ?? [];
    expect(wrong.map(({ path }) => ["sensrnet", ...path].join("."))).toEqual(["sensrnet.device.location.location"]);
    expect(toBeFilledIn).toContain("sensrnet.device.location.location");
    expect(amsterdamSchema.safeParse(amsterdam).error?.issues).toBeUndefined();
    const blanks = JSON.stringify({ sensrnet, amsterdam }).match(/\[in te vullen\]|:null/g) ?? [];
    expect(toBeFilledIn).toHaveLength(blanks.length);
    expect(toBeFilledIn).toContain("amsterdam[0].observation_goals[0].legal_ground");
  });

  it("leaves out of Amsterdam what is not switched on, and says in SensRNet that it is not active", () => {
    const off = { ...example, sensors: example.sensors.map((sensor) => ({ ...sensor, enabled: sensor.id !== "gate-1" })) };
    const { sensrnet, amsterdam } = register(off);
    expect(amsterdamSchema.parse(amsterdam).map(({ reference }) => reference)).not.toContain("n0042/gate-1");
    const streams = sensrnetSchema.parse(sensrnet).sensors.flatMap(({ datastreams }) => datastreams.map(({ datastream }) => datastream));
    expect(streams.find(({ name }) => name === "gate-1.passages")?.isActive).toBe(false);
    expect(streams.find(({ name }) => name === "air-1.pm25")?.isActive).toBe(true);
  });

  it("takes a contact that is no address of mail for a name", () => {
    const [entry] = register(air).amsterdam as Entry[];
    expect(entry?.owner).toMatchObject({ name: "City hall", email: "[in te vullen]" });
  });
});

describe("the street notice", () => {
  it("loads nothing from anywhere: the only addresses are those of the owner and of SVG", async () => {
    const html = notice(example, { origin: ORIGIN, qrSvg: await qrSvg("https://voorbeeld.example/sensoren") });
    expect(html).not.toMatch(/<(?:script|link|img|iframe|object)\b|\bsrc=|\bhref=|url\(|@import/i);
    const addresses = new Set(html.match(/https?:[^\s"'<]+/g));
    expect([...addresses].toSorted()).toEqual(["http://www.w3.org/2000/svg", "https://voorbeeld.example/sensoren"]);
    expect(html.match(/<section class="page[^"]*" lang="(nl|en)">/g)).toHaveLength(2);
    expect(html.match(/<svg /g)).toHaveLength(2);
  });

  it("takes text of the file for text", () => {
    const name = `<script>alert("1")</script> & 'more'`;
    const html = notice({ ...bare, node: { ...bare.node, name, purpose: name } }, { origin: ORIGIN, qrSvg: null });
    expect(html).not.toContain("<script");
    expect(html).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;");
  });

  it("tells of people only where a sensor is about them, and of each policy what it does", () => {
    const html = (plan: NodePlan): string => notice(plan, { origin: ORIGIN, qrSvg: null });
    expect(html(air)).toContain("Zij meten niets van mensen.");
    expect(html(air)).not.toMatch(/Uw rechten|toevallige ruis/);
    expect(html(bare)).toMatch(/Uw rechten[\s\S]*Autoriteit Persoonsgegevens/);
    expect(html(bare)).toMatch(/counts with random noise leave the device/);
    expect(html(bare)).not.toMatch(/small counts are withheld/);
    expect(html(example)).toMatch(/small counts are withheld/);
    const quiet = { ...bare, sensors: bare.sensors.map((sensor) => ({ ...sensor, streams: [] })) };
    expect(html(quiet)).toContain("none of it leaves the device");
  });

  it("says that a trial is one", () => {
    const simulated = { ...bare, sensors: bare.sensors.map((sensor) => ({ ...sensor, port: { is: "simulator" } as const })) };
    expect(notice(simulated, { origin: ORIGIN, qrSvg: null })).toContain("Trial: this data is simulated.");
    expect(notice(bare, { origin: ORIGIN, qrSvg: null })).not.toContain("Trial: this data is simulated.");
  });
});

describe("the QR code", () => {
  /** The dark modules of an SVG whose path has a square for each. */
  function modulesOf(svg: string): { size: number; isDark: (x: number, y: number) => boolean } {
    const size = Number(/viewBox="0 0 (\d+) \1"/.exec(svg)?.[1]);
    const dark = new Set([...svg.matchAll(/M(\d+),(\d+)h1v1h-1z/g)].map(([, x, y]) => `${x},${y}`));
    return { size, isDark: (x, y) => dark.has(`${x},${y}`) };
  }

  it.each(["https://voorbeeld.example/sensoren", `https://voorbeeld.example/${"a".repeat(400)}`])(
    "of %s has its finder and timing patterns, and four light modules around it (ISO/IEC 18004 §6.3)",
    async (text) => {
      const { size, isDark } = modulesOf(await qrSvg(text));
      const side = size - 8;
      expect((side - 17) % 4, "a side of 4 V + 17 modules").toBe(0);
      const finder = ["#######", "#.....#", "#.###.#", "#.###.#", "#.###.#", "#.....#", "#######"];
      const at = (left: number, top: number): string[] =>
        finder.map((row, y) => [...row].map((_, x) => (isDark(left + x, top + y) ? "#" : ".")).join(""));
      for (const [left, top] of [
        [4, 4],
        [4 + side - 7, 4],
        [4, 4 + side - 7],
      ] as const) {
        expect(at(left, top)).toEqual(finder);
      }
      for (let module = 8; module < side - 8; module++) {
        expect(isDark(4 + module, 10)).toBe(module % 2 === 0);
        expect(isDark(10, 4 + module)).toBe(module % 2 === 0);
      }
      for (let along = 0; along < size; along++) {
        for (const edge of [0, 1, 2, 3, size - 4, size - 1]) expect(isDark(along, edge) || isDark(edge, along)).toBe(false);
      }
    },
  );
});
