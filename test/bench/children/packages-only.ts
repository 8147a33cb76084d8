import "better-sqlite3";
import "mqtt";
import "node-cron";
import "pino";
import "serialport";
import "yaml";
import "zod";

// Everything that a running node has loaded, and nothing done with it. Ended by a signal.
setInterval(() => {}, 1_000_000);
