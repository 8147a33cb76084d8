/** The European Union: 27 members, ISO 3166-1 alpha-2 (Greece is GR there; EL is what the Union itself writes). Source: art. 52 TEU. */
const EU = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split(" ");
/** The European Economic Area adds three (EEA Agreement, art. 126). Switzerland and the United Kingdom are in neither. */
const EEA = [...EU, "IS", "LI", "NO"];

/** Words for several countries at once that `broker.residency.allow` knows. */
export const COUNTRY_GROUPS: Readonly<Record<string, readonly string[]>> = { EU, EEA };

/** Whether this can stand in `broker.residency.allow`: a group, or a country by two capitals (ISO 3166-1 alpha-2). */
export const isCountryWord = (word: string): boolean => word in COUNTRY_GROUPS || /^[A-Z]{2}$/.test(word);

/** The countries that these words stand for, each once, in order. */
export const countriesOf = (words: readonly string[]): readonly string[] =>
  [...new Set(words.flatMap((word) => COUNTRY_GROUPS[word] ?? [word]))].sort();
