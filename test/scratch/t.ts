import {parseNodeFile} from "../../src/config/parse.ts"; import {formatProblem} from "../../src/config/problem.ts";
const t=(s:string)=>{const r=parseNodeFile(s,"n.yaml");console.log("-----");for(const p of r.problems)console.log(formatProblem(p));console.log(r.config?JSON.stringify(r.config).slice(0,300):null,JSON.stringify(r.cut))};
const base="stoep: 1\nnode: {id: n1}\nbroker: {url: mqtts://x, prefix: a/b, keepAlive: 15min, password: hunter2, pins: 1}\n";
t(base+"sensors:\n  air-1:\n    driver: sds011\n    serial: {path: 3, baude: 9600}\n    streams:\n      pm25: {windw: 1m, k: 3}\n      Bad: {}\n");
t("stoep: 2"); t(""); t("- a"); t("stoep: 1\nstoep: 1\n"); t("a: *b\n"); t("a: &b 1\nc: *b\n<<: {x: 1}\n"); t("a: 1\n---\nb: 2"); t("a:\n\tb: 1\n"); t("[".repeat(5000)); t("%YAML 1.1\n---\na: !!str 1"); t("__proto__: 1\n"); t("? [a]\n: b"); t("%TAG ! x:\n---\na: 1\n"); t("!!map {a: 1}");
t("stoep: 1\nprivacy: {epsilonPerEvent: 0.50}\nextends: x\nnode: {id: 007, timeZone: Europe/Amsterdm}\nsensors: {}\nlog: {level: warning}\nbroker:\n");
t("# just a comment\n"); t("stoep"); t("!!str"); t("...\n");
