/**
 * Who is asking: named bearer tokens, kept as SHA-256 hashes. Hashing first makes the comparison's time independent of
 * what was right about a guess, and every token is compared, so that its place in the list does not show either.
 */
import { Buffer } from "node:buffer";
import { createHash, timingSafeEqual } from "node:crypto";

/** viewer reads, approver also approves and rejects, admin may do all. */
export type Role = "viewer" | "approver" | "admin";

export interface Token {
  /** Goes with every command that it gives. */
  readonly name: string;
  /** "sha256:" and 64 hex digits. */
  readonly hash: string;
  readonly roles: readonly Role[];
}

/** Someone who was recognised. */
export interface Caller {
  readonly name: string;
  readonly roles: readonly Role[];
}

const TOKEN_CHARS_MAX = 1_024;

/** "sha256:…" of a token, as the configuration holds it. */
export function hashOf(secret: string): string {
  return `sha256:${createHash("sha256").update(secret).digest("hex")}`;
}

/** The token that a secret belongs to, or null. */
export function callerOf(tokens: readonly Token[], secret: string): Caller | null {
  if (secret === "" || secret.length > TOKEN_CHARS_MAX) return null;
  const given = Buffer.from(hashOf(secret));
  let found: Caller | null = null;
  for (const { name, hash, roles } of tokens) {
    const known = Buffer.from(hash.toLowerCase());
    const isSame = known.length === given.length && timingSafeEqual(known, given);
    if (isSame) found = { name, roles };
  }
  return found;
}

/** Whether someone may do what a role is needed for. */
export function may(caller: Caller | null, role: Role): boolean {
  if (caller === null) return false;
  if (caller.roles.includes("admin")) return true;
  switch (role) {
    case "viewer":
      return caller.roles.includes("viewer") || caller.roles.includes("approver");
    case "approver":
      return caller.roles.includes("approver");
    case "admin":
      return false;
  }
}

/** The secret of "Authorization: Bearer …", or null. */
export function bearerOf(header: string | null): string | null {
  const [, secret] = /^bearer +(\S+) *$/i.exec(header ?? "") ?? [];
  return secret ?? null;
}

/** Compares two secrets of any length in constant time. */
export function isSameSecret(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
