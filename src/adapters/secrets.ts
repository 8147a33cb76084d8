import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** A string in the config, or where to find it. */
export type Reference = string | { readonly credential: string } | { readonly file: string } | { readonly env: string };

/** A reference that leads nowhere, or to a file that others can read. The value itself is never in the message. */
export class SecretError extends Error {
  readonly code: "SECRET_MISSING" | "SECRET_OPEN";
  readonly remedy: string;

  constructor(code: SecretError["code"], message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SecretError";
    this.code = code;
    this.remedy = remedy;
  }
}

// Group and others.
const OPEN_MODE = 0o077;

/**
 * Fetches the value behind a reference. `env` is the environment; systemd passes credentials as files in
 * `CREDENTIALS_DIRECTORY` (systemd.exec(5)). A trailing line end is not part of the value.
 */
export function fetchSecret(reference: Reference, env: Readonly<Record<string, string | undefined>>): string {
  if (typeof reference === "string") return reference;
  if ("env" in reference) {
    const value = env[reference.env];
    if (value === undefined)
      throw new SecretError("SECRET_MISSING", `${reference.env} is not set`, `set ${reference.env} in the environment of the service`);
    return value;
  }
  if ("file" in reference) {
    const mode = modeOf(reference.file);
    if (mode !== null && (mode & OPEN_MODE) !== 0) {
      throw new SecretError("SECRET_OPEN", `${reference.file} can be read by others`, `chmod 600 ${reference.file}`);
    }
    return readText(reference.file);
  }
  const directory = env.CREDENTIALS_DIRECTORY;
  if (directory === undefined) {
    const remedy = `run as a service with LoadCredential=${reference.credential}:PATH, or use { file: PATH }`;
    throw new SecretError("SECRET_MISSING", `no credentials were passed, ${reference.credential} is wanted`, remedy);
  }
  return readText(join(directory, reference.credential));
}

/** The same for what is no secret, such as a certificate: whoever else may read its file does not matter. */
export function fetchPublic(reference: Reference, env: Readonly<Record<string, string | undefined>>): string {
  return typeof reference === "object" && "file" in reference ? readText(reference.file) : fetchSecret(reference, env);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").replace(/\r?\n$/, "");
  } catch (cause) {
    throw new SecretError("SECRET_MISSING", `cannot read ${path}`, "check that it exists and that the user of the service may read it", {
      cause,
    });
  }
}

function modeOf(path: string): number | null {
  try {
    return statSync(path).mode;
  } catch {
    return null; // reading it will say why
  }
}
