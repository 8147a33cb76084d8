import { claimOf } from "../../core/anonymise/claims.ts";
import { REPLAY_HOURS } from "../explain.ts";
import type { NodePlan } from "../plan.ts";
import {
  isEncrypted,
  isSimulated,
  longestKept,
  type Origin,
  originText,
  quantitiesOf,
  sensorsOfPeople,
  streamsAboutPeople,
  streamsThatLeave,
} from "./facts.ts";
import { NOTICE_STYLE } from "./notice-style.ts";
import { CATEGORIES, type Category, PROCESSES, say, TO_THE_ORGANISATION, VALUES_OVER_TIME } from "./notice-words.ts";
import { BLANK, blank, durationWords, type Language, listWords, quantityWords, technologyOf } from "./words.ts";

/** Text with every character that HTML would take for markup replaced. */
export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}

/** Text as it is printed: blanks are marked, so that nobody hangs up a sign with one. */
function shown(text: string): string {
  return escapeHtml(text).replaceAll(/\[(?:in te vullen|to be filled in)[^\]]*\]/g, (found) => `<mark>${found}</mark>`);
}

/** What the notice is drawn with. `qrSvg`: the code of the owner's website as an SVG element; null when there is no website. */
export interface NoticeParts {
  readonly origin: Origin;
  readonly qrSvg: string | null;
}

/** The street notice: two pages of A4, Dutch and English, in one HTML file that loads nothing. */
export function notice(plan: NodePlan, parts: NoticeParts): string {
  const name = escapeHtml(plan.node.name ?? plan.node.id);
  return `<!doctype html>
<html lang="nl">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(say("title", "nl"))}: ${name}</title>
<style>${NOTICE_STYLE}</style>
</head>
<body>
${page(plan, parts, "nl")}
${page(plan, parts, "en")}
</body>
</html>
`;
}

/** Above such a weight a page is printed smaller, so that it stays one page: tried with the longest texts that a file may have. */
const DENSITIES = [
  { weightMin: 3_150, name: "densest" },
  { weightMin: 2_650, name: "dense" },
] as const;
/** What an item of a list takes besides its characters, in characters: a line is seldom full. */
const ITEM_WEIGHT = 30;

function page(plan: NodePlan, parts: NoticeParts, language: Language): string {
  const body = pageBody(plan, parts, language);
  const chars = body.replaceAll(/<svg.*?<\/svg>|<[^>]*>/gs, "").length;
  const weight = chars + ITEM_WEIGHT * (body.split("<li>").length - 1);
  const density = DENSITIES.find(({ weightMin }) => weight > weightMin);
  return `<section class="page${density === undefined ? "" : ` ${density.name}`}" lang="${language}">\n${body}\n</section>`;
}

function pageBody(plan: NodePlan, parts: NoticeParts, language: Language): string {
  const { node } = plan;
  const purpose = node.purpose ?? blank(language, say("purposeBlank", language));
  const simulated = plan.sensors.some((sensor) => sensor.enabled && isSimulated(sensor));
  return `<header>
<h1>${say("title", language)}</h1>
<p class="place">${shown(node.name ?? node.id)}</p>
</header>
${simulated ? `<p class="simulated">${say("simulated", language)}</p>\n` : ""}<div class="purpose">
<h2>${say("purpose", language)} <small>Purpose</small></h2>
<p class="${purpose.length > 120 ? "long" : "short"}">${shown(purpose)}</p>
</div>
<div class="cards">
${cards(plan, language).join("\n")}
</div>
<div class="people">
<h2>${say("people", language)}</h2>
${peopleSentences(plan, language)
  .map((sentence) => `<p>${shown(sentence)}</p>`)
  .join("\n")}${claims(plan, language)}
</div>
${foot(plan, parts, language)}`;
}

interface Line {
  readonly text: string;
  /** The name of the element in DTPR. */
  readonly dtpr?: string | null;
}

function cards(plan: NodePlan, language: Language): readonly string[] {
  const lines: Readonly<Record<Category, readonly Line[]>> = {
    accountable: accountable(plan, language),
    technology: technologies(plan, language),
    data: data(plan, language),
    process: processes(plan, language),
    access: access(language),
    retention: retention(plan, language),
  };
  return Object.entries(CATEGORIES).map(([category, words]) => {
    const dtpr = language === "nl" ? ` <small>${words.dtpr}</small>` : "";
    const items = lines[category as Category].map(({ text, dtpr: element }) => {
      const name = element && element.toLowerCase() !== text.toLowerCase() ? ` <small>${escapeHtml(element)}</small>` : "";
      return `<li>${shown(text)}${name}</li>`;
    });
    return `<div class="card ${category}"><h2>${words[language]}${dtpr}</h2><ul>\n${items.join("\n")}\n</ul></div>`;
  });
}

function accountable({ node: { owner } }: NodePlan, language: Language): readonly Line[] {
  return [
    { text: owner?.name ?? BLANK[language] },
    { text: `${say("contact", language)}: ${owner?.contact ?? BLANK[language]}` },
    { text: `${say("officer", language)}: ${BLANK[language]}` },
  ];
}

function technologies({ sensors }: NodePlan, language: Language): readonly Line[] {
  const found = new Map<string, Line>();
  for (const { driver, channels } of sensors.filter(({ enabled }) => enabled)) {
    for (const { quantity } of channels) {
      const kind = technologyOf(driver.name, quantity);
      const text = kind?.[language] ?? `${blank(language, say("technologyBlank", language))} (${quantityWords(quantity, language)})`;
      found.set(text, { text: capital(text), dtpr: kind?.dtpr ?? null });
    }
  }
  return [...found.values()];
}

const capital = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

function data(plan: NodePlan, language: Language): readonly Line[] {
  const streams = streamsThatLeave(plan);
  const what = streams.length === 0 ? say("nothing", language) : listWords(quantitiesOf(streams, language), language);
  return [{ text: VALUES_OVER_TIME[language], dtpr: VALUES_OVER_TIME.dtpr }, { text: `${say("leaves", language)}: ${what}` }];
}

function processes(plan: NodePlan, language: Language): readonly Line[] {
  const { aggregated, noised, encrypted } = PROCESSES;
  const kinds = [
    aggregated,
    ...(streamsAboutPeople(plan).some(({ policy }) => policy.is === "noised") ? [noised] : []),
    ...(isEncrypted(plan) ? [encrypted] : []),
  ];
  return kinds.map((kind) => ({ text: capital(kind[language]), dtpr: kind.dtpr }));
}

function access(language: Language): readonly Line[] {
  return [
    { text: TO_THE_ORGANISATION[language], dtpr: TO_THE_ORGANISATION.dtpr },
    { text: `${say("others", language)}: ${blank(language, say("othersBlank", language))}` },
  ];
}

function retention(plan: NodePlan, language: Language): readonly Line[] {
  const longest = longestKept(plan);
  const readings = longest === null ? [] : [{ text: `${say("readings", language)} ${durationWords(longest.windowMs, language)}` }];
  const device =
    language === "nl"
      ? `Statistiek op het apparaat: tot zij is afgeleverd, en ${REPLAY_HOURS} uur langer`
      : `Statistics on the device: until they are delivered, and ${REPLAY_HOURS} hours longer`;
  const platform = { text: `${say("platform", language)}: ${blank(language, say("platformBlank", language))}` };
  return [...readings, { text: device }, platform];
}

function peopleSentences(plan: NodePlan, language: Language): readonly string[] {
  if (sensorsOfPeople(plan).length === 0) return [say("nobody", language)];
  const streams = streamsAboutPeople(plan);
  if (streams.length === 0) return [say("memory", language), say("stays", language)];
  const about = (is: string, ...sentences: readonly string[]): readonly string[] => {
    const which = streams.filter(({ policy }) => policy.is === is);
    return which.length === 0 ? [] : [`${capital(listWords(quantitiesOf(which, language), language))}: ${sentences.join(" ")}`];
  };
  return [
    say("memory", language),
    ...about("noised", say("noised", language), say("noisedLimit", language)),
    ...about("minimum-count", say("minimum", language)),
    ...about("group", say("groups", language)),
  ];
}

/** The claims about people as they are worded everywhere: in English, each once. */
function claims(plan: NodePlan, language: Language): string {
  const texts = [...new Set(streamsAboutPeople(plan).map((stream) => claimOf(stream).text))];
  if (texts.length === 0) return "";
  return `\n<p class="claims">${say("claims", language)}: <span lang="en">${escapeHtml(texts.join("; "))}</span>.</p>`;
}

/** Nobody types a longer address; the code has all of it. */
const LINK_CHARS_MAX = 90;

const printedLink = (website: string): string => (website.length <= LINK_CHARS_MAX ? website : `${new URL(website).origin}/…`);

function linkOf(website: string, qrSvg: string): string {
  const code = `<div class="qr" role="img" aria-label="QR: ${escapeHtml(website)}">${qrSvg}</div>`;
  return `${code}\n<p class="link">${escapeHtml(printedLink(website))}</p>`;
}

function foot(plan: NodePlan, { origin, qrSvg }: NoticeParts, language: Language): string {
  const website = plan.node.owner?.website ?? null;
  const hasPeople = sensorsOfPeople(plan).length > 0;
  const ground = `${say("legalGround", language)}: ${blank(language, say("legalBlank", language))}`;
  const rights = hasPeople ? `<h2>${say("rights", language)}</h2>\n<p>${say("complaint", language)}</p>\n<p>${shown(ground)}</p>` : "";
  const link = website === null ? `<p>${shown(blank(language, say("websiteBlank", language)))}</p>` : linkOf(website, qrSvg ?? "");
  const scheme = language === "nl" ? "Indeling naar" : "Arranged after";
  const made = [`${scheme} Digital Trust for Places and Routines (dtpr.io, CC BY 4.0)`, plan.node.id, originText(origin)].join(". ");
  return `<footer>
<div class="rights">${rights}</div>
<div class="more"><h2>${say("more", language)}</h2>\n${link}</div>
</footer>
<p class="origin">${escapeHtml(made)}</p>`;
}
