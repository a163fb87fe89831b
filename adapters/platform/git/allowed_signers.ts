/**
 * Who may sign: a file of allowed signers, as ssh-keygen and Git read it. Every line is understood or refused, since a
 * restriction that is passed over would let somebody in.
 *
 * @see ssh-keygen(1), "ALLOWED SIGNERS"
 */
import { InvalidSpecError } from "../../../src/errors.ts";

export interface AllowedSigner {
  /** As written, separated by commas. */
  readonly principals: string;
  /** The public key in base64, in SSH's format. */
  readonly key: string;
  /** Epoch milliseconds; null: always. */
  readonly validAfterMs: number | null;
  readonly validBeforeMs: number | null;
}

const NAMESPACE = "git";
const KEY_KIND = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-.*)$/;

/**
 * Reads the file; signers that may sign other things than Git's are left out.
 *
 * @param name of the file, for messages
 * @throws {InvalidSpecError} a line cannot be understood, or nobody is allowed
 */
export function parseAllowedSigners(text: string, name: string): readonly AllowedSigner[] {
  const signers = text.split(/\r?\n/).flatMap((line, index) => {
    const content = line.trim();
    return content === "" || content.startsWith("#") ? [] : parseLine(content, `${name}, line ${index + 1}`);
  });
  if (signers.length > 0) return signers;
  throw new InvalidSpecError(`Cannot use ${name}: it allows nobody to sign`, {
    fix: "Add lines such as: robin@example.com ssh-ed25519 AAAA…",
  });
}

/**
 * The signer that a key belongs to at a time, or why none does.
 *
 * @param atMs when it was signed, epoch milliseconds
 */
export function findSigner(signers: readonly AllowedSigner[], key: string, atMs: number): AllowedSigner | string {
  const known = signers.filter((signer) => signer.key === key);
  const valid = known.find(({ validAfterMs, validBeforeMs }) =>
    (validAfterMs === null || atMs >= validAfterMs) && (validBeforeMs === null || atMs < validBeforeMs)
  );
  if (valid !== undefined) return valid;
  return known.length > 0
    ? `the key of ${known[0]?.principals} was not valid at ${new Date(atMs).toISOString()}`
    : "its key is not among the allowed signers";
}

function parseLine(line: string, where: string): readonly AllowedSigner[] {
  const refuse = (why: string): never => {
    throw new InvalidSpecError(`Cannot use ${where}: ${why}`, {
      fix: "Write: PRINCIPALS [namespaces=…,valid-after=…,valid-before=…] KIND KEY, as in ssh-keygen(1).",
    });
  };
  const [principals, ...rest] = words(line);
  const hasOptions = rest[0] !== undefined && !KEY_KIND.test(rest[0]);
  const [kind, key] = hasOptions ? rest.slice(1) : rest;
  if (principals === undefined || kind === undefined || key === undefined || !KEY_KIND.test(kind)) {
    return refuse("it is no signer with a key");
  }
  if (!/^[A-Za-z0-9+/]+=*$/.test(key)) return refuse("its key is no base64");
  const validity: { after: number | null; before: number | null } = { after: null, before: null };
  let isForGit = true;
  for (const option of hasOptions ? optionsOf(rest[0] ?? "") : []) {
    const { name, value } = option;
    if (name === "namespaces") isForGit = value.split(",").some((pattern) => matches(pattern.trim(), NAMESPACE));
    else if (name === "valid-after" || name === "valid-before") {
      const ms = parseTime(value);
      if (ms === null) return refuse(`"${value}" is no time`);
      validity[name === "valid-after" ? "after" : "before"] = ms;
    } else if (name === "cert-authority") return refuse("certificates are not supported");
    else return refuse(`its option "${name}" is not known`);
  }
  if (!isForGit) return [];
  return [{ principals, key, validAfterMs: validity.after, validBeforeMs: validity.before }];
}

/** Words; what stands between double quotes stays together. */
function words(line: string): readonly string[] {
  return line.match(/(?:"[^"]*"|[^\s"])+/g) ?? [];
}

function optionsOf(text: string): readonly { readonly name: string; readonly value: string }[] {
  return (text.match(/(?:"[^"]*"|[^,"])+/g) ?? []).map((option) => {
    const cut = option.indexOf("=");
    const name = (cut < 0 ? option : option.slice(0, cut)).toLowerCase();
    return { name, value: cut < 0 ? "" : option.slice(cut + 1).replaceAll('"', "") };
  });
}

/** With "*" and "?", as in ssh's patterns. */
function matches(pattern: string, text: string): boolean {
  const source = [...pattern].map((char) => char === "*" ? ".*" : char === "?" ? "." : char.replace(/[^\w]/g, "\\$&"))
    .join("");
  return new RegExp(`^${source}$`).test(text);
}

/** "YYYYMMDD" with "HHMM" or "HHMMSS" behind it; taken as UTC, with "Z" or without. */
function parseTime(text: string): number | null {
  const [, year, month, day, hour = "00", minute = "00", second = "00"] =
    /^(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(\d{2})?)?Z?$/.exec(text) ?? [];
  if (year === undefined) return null;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? null : ms;
}
