import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const DAY_MS = 86_400_000;
const LOOPBACK = "DNS:localhost, IP:127.0.0.1";

/** Paths of one certificate and its key, and the PEM texts. */
export interface Issued {
  readonly certPath: string;
  readonly keyPath: string;
  readonly cert: string;
  readonly key: string;
}

/** When a certificate is valid, in days from now; `-2` and `-1`: it has expired. */
export interface Validity {
  readonly fromDays: number;
  readonly toDays: number;
}

/** A certificate authority in a temporary folder, made with openssl. Keys are P-256, so that making one is quick. */
export class CertificateAuthority {
  readonly dir: string;
  readonly caPath: string;
  /** PEM of the authority itself, which is self-signed, and of its key. */
  readonly ca: string;
  readonly key: string;
  #issuedCount = 0;

  private constructor(dir: string, caPath: string, ca: string, key: string) {
    this.key = key;
    this.dir = dir;
    this.caPath = caPath;
    this.ca = ca;
  }

  static async create(): Promise<CertificateAuthority> {
    const dir = await mkdtemp(join(tmpdir(), "stoep-ca-"));
    const newCa = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=Test CA"];
    await run("openssl", [...newCa, "-keyout", join(dir, "ca.key"), "-out", join(dir, "ca.pem")]);
    return await CertificateAuthority.#in(dir);
  }

  static async #in(dir: string): Promise<CertificateAuthority> {
    const caPath = join(dir, "ca.pem");
    await writeFile(join(dir, "index.txt"), "");
    await writeFile(join(dir, "serial"), "1000\n");
    await writeFile(join(dir, "ca.cnf"), CA_CONFIG);
    return new CertificateAuthority(dir, caPath, await readFile(caPath, "utf8"), await readFile(join(dir, "ca.key"), "utf8"));
  }

  /** An authority that this one signed. Remove both. */
  async below(): Promise<CertificateAuthority> {
    const dir = await mkdtemp(join(tmpdir(), "stoep-ca-"));
    const { cert, key } = await this.issue("Test CA below", undefined, LOOPBACK, "basicConstraints = critical, CA:TRUE");
    await Promise.all([writeFile(join(dir, "ca.pem"), cert), writeFile(join(dir, "ca.key"), key)]);
    return await CertificateAuthority.#in(dir);
  }

  /** A certificate for `commonName`, for a client, or for a server by the names in `altNames`. `extensions` is for openssl. */
  async issue(commonName: string, validity: Validity = { fromDays: -1, toDays: 1 }, altNames = LOOPBACK, extensions = ""): Promise<Issued> {
    const { fromDays, toDays } = validity;
    const name = `${++this.#issuedCount}-${commonName}`;
    const path = (end: string) => join(this.dir, `${name}.${end}`);
    const request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${commonName}`];
    await run("openssl", [...request, "-keyout", path("key"), "-out", path("csr")]);
    await writeFile(path("ext"), `subjectAltName = ${altNames}\n${extensions}\n`);
    const dates = ["-startdate", asn1Time(fromDays), "-enddate", asn1Time(toDays)];
    await run(
      "openssl",
      ["ca", "-batch", "-notext", "-config", "ca.cnf", "-extfile", path("ext"), ...dates, "-in", path("csr"), "-out", path("pem")],
      {
        cwd: this.dir,
      },
    );
    const [cert, key] = await Promise.all([readFile(path("pem"), "utf8"), readFile(path("key"), "utf8")]);
    return { certPath: path("pem"), keyPath: path("key"), cert, key };
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true });
  }
}

const CA_CONFIG = `
[ca]
default_ca = test
[test]
database = index.txt
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
`;

/** `20261123100000Z`. */
function asn1Time(daysFromNow: number): string {
  const iso = new Date(Date.now() + daysFromNow * DAY_MS).toISOString();
  return `${iso.replace(/[-:T]/g, "").slice(0, 14)}Z`;
}
