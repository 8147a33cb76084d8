import { createHash } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { faultRow } from "../support/fault-table.ts";
import type { SummaryDocument } from "../support/summaries.ts";
import { type Results, runMachine, whyNot } from "./machine.ts";

// One boot, one service, everything that only a real systemd can tell. The machine writes down what it saw; the tests read it.

const PASSWORD = "a-secret-of-the-street";
const WINDOW_S = 30;
/** Into a window the node is started, so long after its start a driver hangs, and so long systemd waits for a ping. */
const PHASE_S = 2;
const HANGS_AFTER_S = 12;
const WATCHDOG_S = 4;
const RESTART_S = 1;
const READ_EVERY_MS = 200;

/** A driver with a bug: it never comes back from a line that says so. */
const HANGING_DRIVER = `
export default ({ z, delimiterFramer }) => ({
  apiVersion: 1, name: "hanging", summary: "never returns from HANG", port: "serial", serial: { baudRate: 9600 },
  options: z.strictObject({}),
  channels: () => [
    { name: "temperature", quantity: "temperature", unit: "Cel", range: [-40, 60], resolution: 0.1, sensitivity: "environmental" },
  ],
  start: () => {
    const framer = delimiterFramer({ frameBytesMax: 64 });
    return {
      handle(event, out) {
        if (event.type === "opened") out.expect(60_000);
        if (event.type !== "bytes") return;
        framer.push(event.data, {
          discard: (reason, count) => out.discard(reason, count),
          frame(bytes, start, length) {
            if (length === 4) for (;;);
            out.reading("temperature", 20);
          },
        });
      },
    };
  },
});
`;

const CALM = `# stoep-golden 1
+0ms open
+1s < "x\\n"
`;

const NODE_YAML = `
stoep: 1
node: { id: n0042, purpose: a test }
broker: { url: mqtt://127.0.0.1:1883, prefix: city/test, username: n0042, password: { credential: broker-password } }
window: ${WINDOW_S}s
time: { source: operator }
driverPaths: [{ path: /opt/hanging/driver.mjs, sha256: ${createHash("sha256").update(HANGING_DRIVER).digest("hex")} }]
sensors:
  air:
    driver: simulator
    options: { channels: { pm25: { quantity: pm25, max: 30, everyMs: ${READ_EVERY_MS} } } }
    streams: { pm25: { lateness: 1s } }
  bad:
    driver: hanging
    replay: { file: /run/capture.txt }
`;

const DROP_IN = `[Service]
WatchdogSec=${WATCHDOG_S}
RestartSec=${RESTART_S}
LoadCredential=broker-password:/opt/secret-password
`;

const SCENARIO = `
set -u
cd /results
exec > log 2>&1
systemd-sysusers; systemd-tmpfiles --create stoep.conf
ip link set lo up; systemctl stop mosquitto
cp /opt/node.yaml /etc/stoep/node.yaml; chgrp stoep /etc/stoep/node.yaml; chmod 640 /etc/stoep/node.yaml
printf 'n0042:%s\\nwitness:w\\n' '${PASSWORD}' > /run/passwords
mosquitto_passwd -U /run/passwords
printf 'listener 1883 127.0.0.1\\npassword_file /run/passwords\\nallow_anonymous false\\nuser root\\n' > /run/mosquitto.conf
mosquitto -c /run/mosquitto.conf > broker 2>&1 &
sleep 1
mosquitto_sub -h 127.0.0.1 -p 1883 -u witness -P w -V 5 -t 'city/#' -F '%t\t%p' > messages &
now=$(date +%s)
{ cat /opt/calm.txt; echo '+${HANGS_AFTER_S - 1}s < "HANG\\n"'; } > /run/capture.txt
sleep $(( (${WINDOW_S} + ${PHASE_S} - now % ${WINDOW_S}) % ${WINDOW_S} ))
systemctl start stoep; echo $? > start-exit
sleep 1; cp /opt/calm.txt /run/capture.txt # the next life has nothing to hang on
systemctl show stoep -p ActiveState -p SubState -p NRestarts > started
pid=$(systemctl show stoep -p MainPID --value)
ls -l /run/credentials/stoep.service/ > credentials 2>&1
tr '\\0' '\\n' < /proc/$pid/environ > environment
grep -E 'Uid|CapEff|NoNewPrivs|Seccomp:' /proc/$pid/status > process-status
grep 'core file' /proc/$pid/limits > limits
for path in /etc/x /usr/lib/stoep/x /home/x /opt/x /root/x /var/lib/x /sys/x /var/lib/stoep/x /run/stoep/x; do
  as_stoep="nsenter -t $pid -m -- setpriv --reuid=stoep --regid=stoep --clear-groups"
  if $as_stoep touch $path 2>/dev/null; then echo "$path written"; else echo "$path denied"; fi
done > writes
nsenter -t $pid -m -- rm -f /var/lib/stoep/x /run/stoep/x
kill -USR1 $pid; sleep 1
ss -Hltn 'sport != :1883' > listening
systemctl show stoep -p StatusText > says; systemctl show stoep -p MainPID --value > pid-after-usr1; echo $pid > pid-before
sleep $(( ${HANGS_AFTER_S} + ${WATCHDOG_S} + 2 ))
systemctl show stoep -p ActiveState -p NRestarts -p Result > after-hang
now=$(date +%s)
sleep $(( ${WINDOW_S} - now % ${WINDOW_S} + 4 ))
runuser -u stoep -- /usr/bin/node /usr/lib/stoep/dist/src/cli/main.js status /etc/stoep/node.yaml > status 2>&1
systemctl show stoep -p MainPID --value > pid-before-reload
sed -i 's/everyMs: ${READ_EVERY_MS}/everyMs: ${2 * READ_EVERY_MS}/' /etc/stoep/node.yaml
systemctl reload stoep; echo $? > reload-exit
echo 'nonsense: 1' >> /etc/stoep/node.yaml
systemctl reload stoep 2> bad-reload; echo $? > bad-reload-exit
systemctl show stoep -p ActiveState -p SubState > after-reload
systemctl show stoep -p MainPID --value > pid-after-reload
systemctl stop stoep; systemctl show stoep -p ActiveState -p Result -p ExecMainStatus > stopped
ls -A /run/stoep > run-after-stop 2>&1
journalctl -u stoep -o short-unix --no-pager > journal
systemd-analyze security stoep --no-pager > security 2>&1
`;

const why = whyNot();
if (why !== "") console.warn(`test:systemd: skipped: ${why}`);
const fields = (text: string | undefined): Readonly<Record<string, string>> =>
  Object.fromEntries((text ?? "").split("\n").flatMap((line) => (line.includes("=") ? [line.split(/=(.*)/s).slice(0, 2)] : [])));

describe.skipIf(why !== "")(`the service under a real systemd${why === "" ? "" : ` (${why})`}`, () => {
  let seen: Results = new Map();
  const text = (name: string): string => seen.get(name) ?? `nothing called ${name} was left; the console said:\n${seen.get("console")}`;

  beforeAll(async () => {
    seen = await runMachine(SCENARIO, {
      "/opt/node.yaml": NODE_YAML,
      "/etc/systemd/system/stoep.service.d/test.conf": DROP_IN,
      "/opt/secret-password": PASSWORD,
      "/opt/hanging/driver.mjs": HANGING_DRIVER,
      "/opt/calm.txt": CALM,
    });
  });

  const summaries = (stream: string): readonly SummaryDocument[] =>
    text("messages")
      .split("\n")
      .filter((line) => line.includes(`/${stream}/summary\t`))
      .map((line) => JSON.parse(line.split("\t")[1] ?? "") as SummaryDocument);

  it("says READY, and says in a line how it is", () => {
    expect(text("start-exit").trim(), text("journal")).toBe("0");
    expect(fields(text("started"))).toMatchObject({ ActiveState: "active", SubState: "running", NRestarts: "0" });
    expect(fields(text("says")).StatusText).not.toBe("");
  });

  it("gets its password as a credential that only the unit can read, and it is in no environment", () => {
    expect(text("credentials")).toMatch(/-r-------- .* broker-password/);
    expect(text("environment")).not.toContain(PASSWORD);
    expect(text("messages"), `the broker took it: ${text("log")}${text("broker")}`).toContain('city/test/n0042/status\t{"v":1');
  });

  it("runs without rights, writes to its own two folders only, and makes no core", () => {
    expect(text("process-status")).toMatch(/CapEff:\s+0+\n[\s\S]*NoNewPrivs:\s+1\n[\s\S]*Seccomp:\s+2/);
    expect(text("process-status")).not.toMatch(/Uid:\s+0\s/);
    const written = text("writes")
      .split("\n")
      .filter((line) => line.endsWith("written"));
    expect(written).toEqual(["/var/lib/stoep/x written", "/run/stoep/x written"]);
    expect(text("limits")).toMatch(/core file size\s+0\s+0/);
  });

  it("listens on nothing, not even after SIGUSR1, and goes on", () => {
    expect(text("listening").trim()).toBe("");
    expect(text("pid-after-usr1")).toBe(text("pid-before"));
  });

  it("is ended by the watchdog when a driver hangs, started again, and closes the window that was open with what came before", () => {
    expect(text("journal")).toMatch(/Watchdog timeout/);
    expect(Number(fields(text("after-hang")).NRestarts)).toBeGreaterThanOrEqual(1);
    const hungAt = Number(/^(\d+\.\d+) .*Watchdog timeout/m.exec(text("journal"))?.[1]) * 1_000;
    const window = summaries("pm25").find(({ window: { start, end } }) => Date.parse(start) <= hungAt && hungAt < Date.parse(end));
    if (window?.stats === undefined) throw new Error(`no summary of the window of ${hungAt}:\n${text("messages")}`);
    const [, startsAgain] = [...text("journal").matchAll(/^(\d+\.\d+) .*Starting stoep\.service/gm)];
    const startsAgainAt = Number(startsAgain?.[1]) * 1_000;
    expect(startsAgainAt - hungAt).toBeLessThan((RESTART_S + 2) * 1_000);
    // Nothing is read from the hang to this start, however long the start takes: more than these came before.
    const onlyAfter = (Date.parse(window.window.end) - startsAgainAt) / READ_EVERY_MS;
    expect(window.stats.samples ?? 0).toBeGreaterThan(onlyAfter + (0.8 * HANGS_AFTER_S * 1_000) / READ_EVERY_MS);
    const ids = summaries("pm25").map(({ id }) => id);
    expect(new Set(ids).size, "no window twice").toBe(ids.length);
    faultRow({
      fault: "Process: a driver that never returns",
      injected: `a driver that never returns, under a real systemd with WatchdogSec=${WATCHDOG_S} (60 in the unit)`,
      promised: "killed and started again within WatchdogSec and RestartSec; the open window keeps what came before",
      measured: `one window, ${window.stats.samples} of at most ${(WINDOW_S * 1_000) / READ_EVERY_MS} readings in it`,
    });
  });

  it("takes another file over on reload, and refuses a wrong one, without ending", () => {
    expect(text("reload-exit").trim(), text("journal")).toBe("0");
    expect(text("journal")).toMatch(/"event":"ConfigApplied"/);
    expect(text("bad-reload-exit").trim()).not.toBe("0");
    expect(fields(text("after-reload"))).toMatchObject({ ActiveState: "active", SubState: "running" });
    expect(text("pid-after-reload")).toBe(text("pid-before-reload"));
  });

  it("stops cleanly, and leaves no readings behind", () => {
    expect(fields(text("stopped"))).toMatchObject({ ActiveState: "inactive", Result: "success", ExecMainStatus: "0" });
    expect(text("run-after-stop")).toMatch(/^(?!.*live\.db)/s);
  });

  it("answers its own user on its socket", () => {
    expect(text("status")).toContain("connected to 127.0.0.1:1883");
  });

  it("has the score that the unit file promises", () => {
    expect(text("security")).toMatch(/Overall exposure level for stoep\.service: (0|1)\.\d/);
  });
});
