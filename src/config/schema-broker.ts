import { z } from "zod";
import { readBrokerUrl } from "./broker-url.ts";
import { residencySchema } from "./schema-residency.ts";
import { duration, integer, oneOfNumbers, path, secret, text, textOrReference } from "./values.ts";

const PREFIX_LEVELS_MAX = 4;
const PREFIX_CHARS_MAX = 100;

const brokerUrl = z.string().transform((text, context): string => {
  const url = readBrokerUrl(text);
  if (url.is === "ok") return url.url;
  // The input is left out on purpose: an address may hold a password.
  context.issues.push({ code: "custom", input: undefined, message: url.message });
  return z.NEVER;
});

/** Why `prefix` cannot start a topic, or null. */
function prefixProblem(prefix: string): string | null {
  const levels = prefix.split("/");
  if (levels.includes("")) return "has an empty level: no slash at the start or end, and none doubled";
  if (levels.length > PREFIX_LEVELS_MAX) return `has ${levels.length} levels: at most ${PREFIX_LEVELS_MAX} are allowed`;
  if (/[+#]/.test(prefix)) return "has a wildcard: + and # cannot be part of a topic";
  if (prefix.startsWith("$")) return "starts with $, which belongs to the broker";
  if (!/^[\x21-\x7e]+$/.test(prefix)) return "has a space or a character that is not ASCII";
  return null;
}

const prefix = z
  .string()
  .max(PREFIX_CHARS_MAX)
  .superRefine((text, context) => {
    const message = prefixProblem(text);
    if (message !== null) context.addIssue({ code: "custom", message, input: text });
  })
  .meta({ title: "topic prefix" });

/** Current and next key of the broker, and the same for its authority. */
const PINS_MAX = 4;
const pin = z
  .string()
  // 32 bytes in base64: 43 digits, the last of which has two spare bits, and one `=`.
  .regex(
    /^sha256\/[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/,
    "must be sha256/ and the 44 characters of a SHA-256 in base64; config/README.md says how to get it",
  )
  .meta({ title: "pin" });

const tls = z
  .strictObject({
    ca: textOrReference("path, PEM text or reference")
      .optional()
      .meta({
        description: "The authority that signed the broker's certificate. Absent: the authorities that Node.js trusts.",
        examples: ["/etc/stoep/tls/ca.pem"],
      }),
    cert: textOrReference("path, PEM text or reference")
      .optional()
      .meta({ description: "The node's own certificate; its CN is the node's id.", examples: ["/etc/stoep/tls/node.pem"] }),
    key: secret()
      .optional()
      .meta({ description: "The private key of the certificate. Only ever a reference.", examples: [{ file: "/etc/stoep/tls/node.key" }] }),
    pins: z
      .array(pin)
      .max(PINS_MAX, `has more than ${PINS_MAX} pins`)
      .default([])
      .meta({
        title: "list of pins",
        description:
          "SHA-256 of public keys (SPKI): one of them must be in the chain of the broker's certificate. Name the current and the next key.",
        examples: [["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]],
      }),
  })
  .superRefine(({ cert, key }, context) => {
    if (cert !== undefined && key === undefined) {
      context.addIssue({ code: "custom", path: ["cert"], message: "is a certificate without its key: add key:" });
    }
    if (key !== undefined && cert === undefined) {
      context.addIssue({ code: "custom", path: ["key"], message: "is a key without its certificate: add cert:" });
    }
  });

/** `broker`: the one place that the node talks to. */
export const brokerSchema = z
  .strictObject({
    url: brokerUrl.meta({
      title: "address",
      description: "The one place that the node talks to. mqtts:// anywhere; mqtt:// only to this machine. Port 8883, or 1883 for mqtt.",
      examples: ["mqtts://mqtt.voorbeeld.example:8883"],
    }),
    protocol: oneOfNumbers([5, 4])
      .default(5)
      .meta({ description: "MQTT 5, or 4 for brokers that only know MQTT 3.1.1.", examples: [5] }),
    prefix: prefix.meta({ description: "What every topic starts with: 1 to 4 levels, no + and #.", examples: ["city/voorbeeld"] }),
    username: textOrReference("text or reference")
      .optional()
      .meta({ description: "User name at the broker.", examples: ["n0042"] }),
    password: secret()
      .optional()
      .meta({ description: "Password at the broker. Only ever a reference.", examples: [{ credential: "broker-password" }] }),
    tls: tls.prefault({}).meta({ description: "Certificates, for mqtts://.", examples: [{ ca: "/etc/stoep/tls/ca.pem" }] }),
    inFlight: integer(1, 65_535)
      .default(20)
      .meta({ description: "Most messages under way at once. The broker may ask for fewer.", examples: [20] }),
    keepAlive: duration("5s", "18h")
      .prefault("30s")
      .meta({ description: "How often the connection is proven when nothing else is sent.", examples: ["30s"] }),
    ackTimeout: duration("1s", "10m")
      .prefault("30s")
      .meta({
        description: "How long the broker may take to acknowledge a message before the connection is made anew.",
        examples: ["30s"],
      }),
    drainRate: integer(1, 10_000)
      .optional()
      .meta({
        description: [
          "Most messages a second; that many may go at once.",
          "Absent: four times what the file makes, at least 20; no limit to a broker on this machine.",
        ].join(" "),
        examples: [20],
      }),
    spread: duration("0s", "10m")
      .optional()
      .meta({
        description: [
          "How far apart the nodes of one broker do what all would do at once: connect after a power cut,",
          "come back to a broker that was away, and, up to the shortest lateness, publish a window.",
          "Absent: 60s; 0s to a broker on this machine.",
        ].join(" "),
        examples: ["60s"],
      }),
    allowSimulated: z
      .boolean()
      .default(false)
      .meta({ description: "Lets simulated and replayed sensors publish to a broker that is not on this machine.", examples: [false] }),
    formats: z
      .array(z.literal("native", "not yet: native is the only form of topic and payload"))
      .length(1, "must be [native], the only form of topic and payload yet")
      .default(["native"])
      .meta({ title: "list", description: "Forms of topic and payload. Only native for now.", examples: [["native"]] }),
    residency: residencySchema
      .prefault({})
      .meta({ description: "Where the broker may stand, and what proves it.", examples: [{ mode: "strict", allow: ["EU", "EEA"] }] }),
  })
  .superRefine((broker, context) => {
    if (broker.protocol === 4 && broker.password !== undefined && broker.username === undefined) {
      // MQTT 3.1.1 §3.1.2.9: no password without a user name.
      context.addIssue({ code: "custom", path: ["password"], message: "needs username: with protocol: 4" });
    }
  });

/** One entry of `driverPaths`. */
export const driverPathSchema = z.strictObject({
  path: path().meta({ description: "A folder that holds drivers, or one driver file.", examples: ["/etc/stoep/drivers"] }),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "must be 64 hex digits in lower case, as sha256sum prints them")
    .optional()
    .meta({
      title: "SHA-256",
      description: "Pins one driver file: any other content is refused.",
      examples: ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    }),
});

/** `log`. */
export const logSchema = z.strictObject({
  level: z
    .enum(["debug", "info", "warn", "error"])
    .default("info")
    .meta({ title: "choice", description: "How much is logged. No level shows a reading.", examples: ["info"] }),
});

/** `metrics`. Ports below 1024 are for privileged programs, and the node is none. */
export const metricsSchema = z.strictObject({
  port: z
    .int()
    .min(1_024)
    .max(65_535)
    .optional()
    .meta({
      description:
        "TCP port on 127.0.0.1 where Prometheus can ask for metrics. Absent: none; the Unix socket answers to /metrics always. The unit " +
        "forbids listening: allow it with SocketBindAllow.",
      examples: [9_464],
    }),
});

/** `owner` of the node. */
export const ownerSchema = z.strictObject({
  name: text().meta({ description: "Who answers for the node.", examples: ["Gemeente Voorbeeld"] }),
  contact: text()
    .optional()
    .meta({ description: "Where residents can ask.", examples: ["sensoren@voorbeeld.example"] }),
  website: z
    .url({ protocol: /^https?$/, error: "must be a web address such as https://voorbeeld.example" })
    .optional()
    .meta({ title: "web address", description: "Where the node is explained.", examples: ["https://voorbeeld.example/sensoren"] }),
});
