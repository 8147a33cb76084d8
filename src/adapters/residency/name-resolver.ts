import { lookup } from "node:dns/promises";
import type { NameResolver } from "../../ports/residency.ts";

/** Names as the machine resolves them: getaddrinfo(3), with /etc/hosts and whatever nsswitch.conf says. */
export const nameResolver: NameResolver = {
  async addresses(host) {
    const found = await lookup(host, { all: true, verbatim: true });
    return [...new Set(found.map(({ address }) => address))];
  },
};
