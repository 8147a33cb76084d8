/** An IP address as its bytes: 4 or 16. */
export interface IpAddress {
  readonly bytes: readonly number[];
}

/** A block of addresses: those that share the first `bits` bits. */
export interface IpBlock extends IpAddress {
  readonly bits: number;
}

/** What can be said of an address without asking anybody. `unusable`: no host of the internet has it. */
export type AddressKind = "loopback" | "private" | "public" | "unusable";

const V4_BYTES = 4;
const V6_GROUPS = 8;

/** Reads an address in text; null when it is none. A zone (`fe80::1%eth0`) is left out: it is ours, not the address's. */
export function parseAddress(text: string): IpAddress | null {
  const [address = ""] = text.split("%");
  const bytes = address.includes(":") ? v6Bytes(address) : v4Bytes(address);
  return bytes === null ? null : { bytes: unwrapped(bytes) };
}

function v4Bytes(text: string): readonly number[] | null {
  const parts = text.split(".");
  if (parts.length !== V4_BYTES || !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) return null;
  return parts.map(Number);
}

/** RFC 4291 §2.2: eight groups, `::` for a run of zeros, the last two groups perhaps as an IPv4 address. */
function v6Bytes(text: string): readonly number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map((half) => (half === "" ? [] : groupsOf(half)));
  if (head === null || head === undefined || tail === null) return null;
  if (tail === undefined) return head.length === V6_GROUPS ? bytesOf(head) : null;
  const zeros = V6_GROUPS - head.length - tail.length;
  return zeros < 1 ? null : bytesOf([...head, ...Array<number>(zeros).fill(0), ...tail]);
}

function groupsOf(text: string): readonly number[] | null {
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (/^[0-9A-Fa-f]{1,4}$/.test(part)) {
      groups.push(Number.parseInt(part, 16));
      continue;
    }
    const v4 = index === parts.length - 1 ? v4Bytes(part) : null;
    if (v4 === null) return null;
    const [a = 0, b = 0, c = 0, d = 0] = v4;
    groups.push(a * 256 + b, c * 256 + d);
  }
  return groups;
}

const bytesOf = (groups: readonly number[]): readonly number[] => groups.flatMap((group) => [group >> 8, group & 0xff]);

/**
 * The IPv4 address inside an IPv6 one: mapped (RFC 4291 §2.5.5.2), or synthesised by a mobile network that only speaks IPv6 (RFC 6052
 * §2.1, 64:ff9b::/96). Who answers there is who has the IPv4 address.
 */
function unwrapped(bytes: readonly number[]): readonly number[] {
  const wraps = [block("::ffff:0:0/96"), block("64:ff9b::/96")];
  return bytes.length === 16 && wraps.some((wrap) => holds(wrap, bytes)) ? bytes.slice(12) : bytes;
}

/** Reads `10.0.0.0/8`. For blocks that stand in the code. */
export function block(text: string): IpBlock {
  const [address = "", bits = ""] = text.split("/");
  const bytes = address.includes(":") ? v6Bytes(address) : v4Bytes(address);
  if (bytes === null || bits === "") throw new Error(`bug: ${text} is not a block`);
  return { bytes, bits: Number(bits) };
}

/** Whether an address is in a block. */
export const isIn = ({ bytes }: IpAddress, within: IpBlock): boolean => holds(within, bytes);

function holds({ bytes: first, bits }: IpBlock, bytes: readonly number[]): boolean {
  if (first.length !== bytes.length) return false;
  return first.every((byte, index) => {
    const used = Math.min(8, Math.max(0, bits - 8 * index));
    const mask = (0xff << (8 - used)) & 0xff;
    return (byte & mask) === ((bytes[index] ?? 0) & mask);
  });
}

const LOOPBACK = ["127.0.0.0/8", "::1/128"].map(block);
// RFC 1918; RFC 6598 (carriers, and overlay networks such as VPNs); RFC 3927; RFC 4193; RFC 4291 §2.5.6.
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10"].map(block);
// IANA special-purpose registries (RFC 6890): this network, protocol assignments, documentation, benchmarks, multicast, reserved, 6to4.
const UNUSABLE = [
  "0.0.0.0/8",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/3",
  "::/128",
  "100::/64",
  "2001:db8::/32",
  "2002::/16",
  "3fff::/20",
  "ff00::/8",
].map(block);

/** What kind of address this is. */
export function kindOf(address: IpAddress): AddressKind {
  if (LOOPBACK.some((each) => isIn(address, each))) return "loopback";
  if (PRIVATE.some((each) => isIn(address, each))) return "private";
  return UNUSABLE.some((each) => isIn(address, each)) ? "unusable" : "public";
}
