/** The European Union: 27 members, ISO 3166-1 alpha-2 (Greece is GR there; EL is what the Union itself writes). Source: art. 52 TEU. */
const EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split(" ");
/** The European Economic Area adds three (EEA Agreement, art. 126). Switzerland and the United Kingdom are in neither. */
const EEA = [...EU, "IS", "LI", "NO"];

/** Words for several countries at once that `broker.residency.allow` knows. */
export const COUNTRY_GROUPS: Readonly<Record<string, readonly string[]>> = { EU, EEA };

/** ISO 3166-1 alpha-2, the 249 that are assigned, and XK, which is none of them: the databases know Kosovo by it. */
const COUNTRIES: ReadonlySet<string> = new Set(
  (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD " +
    "CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF " +
    "GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN " +
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA " +
    "NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI " +
    "SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI " +
    "VN VU WF WS YE YT ZA ZM ZW XK"
  ).split(" "),
);

/** What is written for a country elsewhere, and no database knows: the internet has .uk, the Union itself writes EL. */
const OTHER_WORDS: ReadonlyMap<string, string> = new Map([
  ["UK", "the United Kingdom is GB"],
  ["EL", "Greece is GR"],
]);

/** What is wrong with a word in `broker.residency.allow`; null: nothing, it is a group, or a country by its two capitals. */
export function countryMistake(word: string): string | null {
  if (Object.hasOwn(COUNTRY_GROUPS, word) || COUNTRIES.has(word)) return null;
  const meant = OTHER_WORDS.get(word);
  if (meant !== undefined) return `is no country of ISO 3166-1: ${meant} there`;
  return "must be EU, EEA or a country by its two capitals, such as NL (ISO 3166-1; Greece is GR)";
}

/** The countries that these words stand for, each once, in order. */
export const countriesOf = (words: readonly string[]): readonly string[] =>
  [...new Set(words.flatMap((word) => (Object.hasOwn(COUNTRY_GROUPS, word) ? (COUNTRY_GROUPS[word] ?? []) : [word])))].sort();
