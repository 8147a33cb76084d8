// What somebody writes in an afternoon: the floor for cost. No promise is kept: no outbox, no crash safety, no count of what is lost.
import Database from "better-sqlite3";
import mqtt from "mqtt";
import { SerialPort } from "serialport";

const [path = "", url = "", file = ""] = process.argv.slice(2);
const WINDOW_MS = 10_000;
const db = new Database(file);
db.pragma("journal_mode = WAL");
db.pragma("synchronous = NORMAL");
db.exec("CREATE TABLE reading (at INTEGER, channel TEXT, value REAL)");
const insert = db.prepare("INSERT INTO reading VALUES (?, ?, ?)");
let rows: [number, string, number][] = [];
const store = db.transaction(() => {
  for (const row of rows) insert.run(...row);
  rows = [];
});
const client = mqtt.connect(url);
let windows = new Map<string, { count: number; sum: number; min: number; max: number }>();

function take(channel: string, value: number, at: number): void {
  rows.push([at, channel, value]);
  if (rows.length >= 1_000) store();
  const window = windows.get(channel) ?? { count: 0, sum: 0, min: value, max: value };
  window.count++;
  window.sum += value;
  window.min = Math.min(window.min, value);
  window.max = Math.max(window.max, value);
  windows.set(channel, window);
}

setInterval(() => {
  store();
  for (const [channel, { count, sum, min, max }] of windows) {
    const stats = { samples: count, mean: sum / count, min, max };
    client.publish(`bench/plain/air-1/${channel}/summary`, JSON.stringify({ stats }), { qos: 1 });
  }
  windows = new Map();
}, WINDOW_MS);

let rest = "";
new SerialPort({ path, baudRate: 115_200 }).on("data", (data: Buffer) => {
  const lines = (rest + data.toString("latin1")).split("\n");
  rest = lines.pop() ?? "";
  const at = Date.now();
  for (const line of lines)
    for (const [channel, value] of Object.entries(JSON.parse(line) as Record<string, number>)) take(channel, value, at);
});
