// The internet as a node sees it, in a network namespace of its own: addresses of the real one on the loopback device, a name server
// that answers what the test says, and a broker behind TLS at each address. Run by `unshare -rnm`. Lines on stdin: `cut` breaks every
// connection. What happened is in `seen`, a JSON file. It is JavaScript because nothing is compiled inside.
import { execFileSync, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import process from "node:process";
import { createServer } from "node:tls";
import { generate, parser } from "mqtt-packet";

const { addresses, answers, seen, resolvConf, cert, key, port, run } = JSON.parse(readFileSync(process.argv[2], "utf8"));

execFileSync("ip", ["link", "set", "lo", "up"]);
for (const address of addresses) execFileSync("ip", ["addr", "add", `${address}/32`, "dev", "lo"]);
writeFileSync(resolvConf, "nameserver 127.0.0.1\n");
execFileSync("mount", ["--bind", resolvConf, "/etc/resolv.conf"]);

const facts = { queries: 0, connections: {}, bytes: {}, summaries: {} };
function write() {
  writeFileSync(`${seen}.new`, JSON.stringify(facts));
  renameSync(`${seen}.new`, seen);
}
function count(what, address, by = 1) {
  facts[what][address] = (facts[what][address] ?? 0) + by;
  write();
}
write();

/** RFC 1035 §4: the question goes back as it came; each answer points at its name (0xc00c), type A, class IN, TTL 0. */
function reply(query, found) {
  const questionEnd = query.indexOf(0, 12) + 5;
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8580, 2);
  header.writeUInt16BE(found.length, 6);
  header.writeUInt32BE(0, 8);
  const records = found.map((address) => Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]));
  return Buffer.concat([header, query.subarray(12, questionEnd), ...records]);
}

const TYPE_A = 1;
const names = createSocket("udp4");
names.on("message", (query, from) => {
  const type = query.readUInt16BE(query.indexOf(0, 12) + 1);
  // Read anew each time: the test rewrites it. One list for each question, the last for all that follow.
  const lists = JSON.parse(readFileSync(answers, "utf8"));
  const found = type === TYPE_A ? lists[Math.min(facts.queries, lists.length - 1)] : [];
  if (type === TYPE_A) {
    facts.queries++;
    write();
  }
  names.send(reply(query, found), from.port, from.address);
});
await new Promise((resolve) => names.bind(53, "127.0.0.1", resolve));

const sockets = new Set();
for (const address of addresses) {
  const broker = createServer({ cert, key }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    const packets = parser();
    packets.on("packet", (packet) => {
      if (packet.cmd === "connect")
        socket.write(generate({ cmd: "connack", reasonCode: 0, sessionPresent: false }, { protocolVersion: 5 }));
      if (packet.cmd === "pingreq") socket.write(generate({ cmd: "pingresp" }));
      if (packet.cmd !== "publish") return;
      if (packet.topic.endsWith("/summary")) count("summaries", address);
      socket.write(generate({ cmd: "puback", messageId: packet.messageId, reasonCode: 0 }, { protocolVersion: 5 }));
    });
    socket.on("data", (chunk) => {
      count("bytes", address, chunk.length);
      packets.parse(chunk);
    });
  });
  broker.on("connection", () => count("connections", address));
  broker.on("tlsClientError", () => {});
  await new Promise((resolve) => broker.listen(port, address, resolve));
}

process.stdin.on("data", (text) => {
  if (String(text).includes("cut")) for (const socket of sockets) socket.destroy();
});
const [program, ...words] = run;
const node = spawn(program, words, { stdio: ["ignore", "inherit", "inherit"] });
node.on("exit", (code) => process.exit(code ?? 1));
process.on("SIGTERM", () => node.kill("SIGTERM"));
