import { findQuantity } from "../../core/reading/quantity.ts";
import { ID_PATTERN } from "../../core/units/ids.ts";
import { driverApi } from "../../driver-api/api.ts";
import type { ChannelSpec, Driver } from "../../driver-api/driver.ts";
import type { Conversation, Finding } from "./evidence.ts";

/** Golden cases that prove `maxPerPassage` are called so. */
const ONE_OBJECT = "one-object-one-passage";

const MAX_RESOLUTION_STEPS = 2 ** 53;

/** What is wrong with what a driver says about itself. */
export function checkDeclaration(driver: Driver, golden: readonly Conversation[]): Finding[] {
  const findings: Finding[] = [];
  const complain = (where: string, message: string): void => {
    findings.push({ check: "declaration", where, message });
  };
  if (driver.summary.trim() === "") complain("summary", "is empty");
  if (driver.port === "serial" && driver.serial === undefined) complain("serial", "a serial driver names its baud rate");
  if (golden.length === 0) complain("golden", "there is no golden file");
  for (const problem of optionProblems(driver)) complain("options", problem);
  findings.push(...requestProblems(driver, golden), ...lifeProblems(driver, golden));
  const seen = new Map(golden.map((conversation) => [JSON.stringify(conversation.options), conversation]));
  for (const { options, channels } of seen.values()) {
    if (JSON.stringify(driver.channels(options)) !== JSON.stringify(channels)) complain("channels", "change from one call to the next");
    for (const [channel, problem] of channelProblems(channels)) complain(`channel ${channel}`, problem);
    for (const channel of channels) findings.push(...coverProblems(channel, golden));
  }
  return findings;
}

/** What a port of this kind can be asked (ADR 0022): elsewhere a request is refused, and a driver that waits for it waits in vain. */
const BODY_OF: Readonly<Partial<Record<Driver["port"], string>>> = { modbus: "registers", file: "file" };

function requestProblems({ port }: Driver, golden: readonly Conversation[]): Finding[] {
  const allowed = BODY_OF[port];
  const remedy = allowed === undefined ? "takes no requests: use write, bytes and a timer" : `takes requests for ${allowed} only`;
  return golden.flatMap(({ name, file }): Finding[] => {
    const answers = file.steps.flatMap(({ expected }) => expected);
    const isWrong = answers.some((answer) => answer.call === "request" && !(allowed !== undefined && allowed in answer.body));
    return isWrong ? [{ check: "declaration", where: name, message: `asks with request; a port of kind ${port} ${remedy}` }] : [];
  });
}

/** What people do shows no life: with a rhythm and without `about` such a sensor is opened anew for ever. */
function lifeProblems({ port }: Driver, golden: readonly Conversation[]): Finding[] {
  if (BODY_OF[port] !== undefined) return []; // what answers a request lives
  const isOfPeople = ({ sensitivity, quantity }: ChannelSpec): boolean =>
    sensitivity !== "environmental" || (findQuantity(quantity)?.floor ?? "environmental") !== "environmental";
  const answers = golden
    .filter(({ channels }) => channels.length > 0 && channels.every(isOfPeople))
    .flatMap(({ file }) => file.steps.flatMap(({ expected }) => expected));
  const hasRhythm = answers.some((answer) => answer.call === "expect" && answer.withinMs !== null);
  if (!hasRhythm || answers.some(({ call }) => call === "about")) return [];
  const message = "names a rhythm, and every channel is of people, which shows no life: ask the device something, and say out.about";
  return [{ check: "declaration", where: "expect", message }];
}

type JsonSchema = {
  readonly properties?: Record<string, JsonSchema>;
  readonly additionalProperties?: unknown;
  readonly description?: string;
};

/** Options without a description, at any depth. */
function optionProblems(driver: Driver): string[] {
  const walk = (schema: JsonSchema, path: string): string[] => {
    const own = Object.entries(schema.properties ?? {}).flatMap(([key, value]) => {
      const missing = value.description === undefined ? [`${path}${key} has no description (.describe)`] : [];
      return [...missing, ...walk(value, `${path}${key}.`)];
    });
    const each = typeof schema.additionalProperties === "object" ? walk(schema.additionalProperties as JsonSchema, `${path}*.`) : [];
    return [...own, ...each];
  };
  return walk(driverApi.z.toJSONSchema(driver.options, { io: "input", unrepresentable: "any" }) as JsonSchema, "");
}

function* channelProblems(channels: readonly ChannelSpec[]): Generator<[channel: string, problem: string]> {
  if (channels.length === 0) yield ["", "there is none"];
  const speeds = channels.filter(({ quantity }) => findQuantity(quantity)?.kind === "speed");
  if (speeds.length > 1) yield [speeds.map(({ name }) => name).join(", "), "a passage has one speed: at most one channel can be it"];
  for (const [index, channel] of channels.entries()) {
    const { name, unit, range, resolution, quantity, maxPerPassage } = channel;
    const known = findQuantity(quantity);
    if (!ID_PATTERN.test(name)) yield [name, "is no id: a-z, 0-9, _ and -, 1 to 32 characters"];
    if (channels.findIndex((other) => other.name === name) !== index) yield [name, "is declared twice"];
    if (known !== null && known.unit !== unit) yield [name, `${quantity} is in ${known.unit}, not in ${unit}`];
    if (!(Number.isFinite(range[0]) && Number.isFinite(range[1]) && range[0] < range[1]))
      yield [name, `range ${range} is not [lowest, highest]`];
    if (!(resolution > 0 && (range[1] - range[0]) / resolution < MAX_RESOLUTION_STEPS)) yield [name, `resolution ${resolution} is no step`];
    if (known?.kind === "passage" && !(Number.isInteger(maxPerPassage) && (maxPerPassage ?? 0) > 0)) {
      yield [name, "a passage channel declares maxPerPassage, a whole number from 1"];
    }
    if (known?.kind !== "passage" && maxPerPassage !== undefined) yield [name, "only passage channels have maxPerPassage"];
  }
}

/** Every channel is seen in a golden file, and what one object can cause is proven by one. */
function coverProblems(channel: ChannelSpec, golden: readonly Conversation[]): Finding[] {
  const kind = findQuantity(channel.quantity)?.kind;
  const answersOf = (conversation: Conversation) => conversation.file.steps.flatMap(({ expected }) => expected);
  const passagesOf = (conversation: Conversation) =>
    answersOf(conversation).filter((answer) => answer.call === "passage" && answer.channel === channel.name).length;
  const isSeen = golden.some((conversation) =>
    answersOf(conversation).some((answer) => {
      if (kind === "speed") return answer.call === "passage" && answer.passage.speedKmh !== undefined;
      return "channel" in answer && answer.channel === channel.name;
    }),
  );
  const findings: Finding[] = isSeen
    ? []
    : [{ check: "declaration", where: `channel ${channel.name}`, message: "appears in no golden file" }];
  if (kind !== "passage") return findings;
  const proofs = golden.filter(({ name }) => name.startsWith(ONE_OBJECT));
  if (proofs.length === 0) findings.push({ check: "passage", where: channel.name, message: `there is no golden case ${ONE_OBJECT}*` });
  for (const proof of proofs) {
    const count = passagesOf(proof);
    if (count >= 1 && count <= (channel.maxPerPassage ?? 1)) continue;
    findings.push({
      check: "passage",
      where: proof.name,
      message: `one object caused ${count} passages; declared are 1 to ${channel.maxPerPassage}`,
    });
  }
  return findings;
}
