import type { BusEvent, Driver } from "../../driver-api/driver.ts";
import { type Answer, formatAnswer, mergeDiscards } from "../../driver-api/golden.ts";
import { answerProblem, type Conversation, type Finding, Subject } from "./evidence.ts";
import type { Seeded } from "./seeded.ts";

const RANDOM_SPLITS = 5;
/** What a buffer holds after its call: a session that kept it reads this. */
const POISON = 0xee;

/** How many bytes the next piece of an event has, `left` being left. */
type Cutter = (left: number) => number;

/** The events that one `bytes` event becomes. The pieces share a buffer that is overwritten after each call. */
function* pieces(event: BusEvent, cut: Cutter): Generator<BusEvent> {
  if (event.type !== "bytes" || event.data.length === 0) {
    yield event;
    return;
  }
  const buffer = new Uint8Array(event.data.length);
  for (let at = 0; at < event.data.length; ) {
    const end = at + cut(event.data.length - at);
    buffer.set(event.data.subarray(at, end));
    yield { ...event, data: buffer.subarray(0, end - at) };
    buffer.fill(POISON);
    at = end;
  }
}

/** Plays a golden file, its bytes cut in this way; the first difference is the finding. */
function replay(driver: Driver, { name, file, options, channels }: Conversation, how: string, cut: Cutter): Finding | null {
  const subject = new Subject(driver, options);
  for (const { line, event, expected } of file.steps) {
    const where = `${name}:${line}`;
    const answers: Answer[] = [];
    for (const piece of pieces(event, cut)) {
      const told = subject.tell(piece);
      if (told.thrown !== null) return { check: "golden", where, message: `${how}: threw ${told.thrown}` };
      answers.push(...told.answers);
    }
    const problem = answers.map((answer) => answerProblem(answer, channels)).find((each) => each !== null);
    if (problem) return { check: "golden", where, message: `${how}: ${problem}` };
    const got = mergeDiscards(answers).map(formatAnswer);
    const wanted = mergeDiscards(expected).map(formatAnswer);
    for (let at = 0; at < Math.max(got.length, wanted.length); at++) {
      if (got[at] === wanted[at]) continue;
      return { check: "golden", where, message: `${how}: expected "${wanted[at] ?? "nothing more"}", got "${got[at] ?? "nothing more"}"` };
    }
  }
  return null;
}

/** Replays every golden file whole, byte by byte, and split at random. */
export function checkGolden(driver: Driver, golden: readonly Conversation[], random: Seeded): Finding[] {
  const findings: Finding[] = [];
  for (const conversation of golden) {
    const attempts: [string, Cutter][] = [
      ["whole", (left) => left],
      ["byte by byte", () => 1],
      ...Array.from({ length: RANDOM_SPLITS }, (): [string, Cutter] => ["split at random", (left) => 1 + random.below(left)]),
    ];
    for (const [how, cut] of attempts) {
      const finding = replay(driver, conversation, how, cut);
      if (finding === null) continue;
      findings.push(finding);
      break;
    }
  }
  return findings;
}
