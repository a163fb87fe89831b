/**
 * Whether a push webhook comes from who knows the secret: GitHub, Gitea, Forgejo, GitLab (token, or signed as Standard
 * Webhooks are), Bitbucket, and anything that sends an HMAC in X-Signature. The signature is over the bytes as they came, and nothing is parsed before it holds.
 */
import { Buffer } from "node:buffer";
import { createHmac, timingSafeEqual } from "node:crypto";
import { isSameSecret } from "./tokens.ts";

export interface HookMessage {
  readonly headers: Headers;
  readonly body: Uint8Array;
  readonly secret: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** How far a Standard Webhooks timestamp may be off. */
const TIMESTAMP_MS_MAX = 5 * 60_000;
const SIGNATURES_MAX = 10;

/**
 * Judges by the first scheme that the request carries, strongest first; each of them needs the secret.
 *
 * @see GitHub, validating webhook deliveries: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 * @see GitLab, webhooks: https://docs.gitlab.com/user/project/integrations/webhooks/
 * @see Gitea, webhooks: https://docs.gitea.com/usage/repository/webhooks
 * @see Bitbucket, manage webhooks: https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
 * @see Standard Webhooks: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
export function isSigned(message: HookMessage): boolean {
  if (message.secret === "") return false;
  const { headers } = message;
  const checks: readonly (() => boolean | null)[] = [
    () => (headers.has("webhook-signature") ? isStandard(message) : null),
    () => hexHmac(message, headers.get("x-hub-signature-256"), ["sha256"]),
    () => hexHmac(message, headers.get("x-forgejo-signature"), "bare"),
    () => hexHmac(message, headers.get("x-gitea-signature"), "bare"),
    // Bitbucket's; others send SHA-1 under this name, beside a better one.
    () => hexHmac(message, headers.get("x-hub-signature"), ["sha256"]),
    () => hexHmac(message, headers.get("x-signature"), ["sha256", "sha512"]),
    () => {
      const token = headers.get("x-gitlab-token");
      return token === null ? null : isSameSecret(token, message.secret);
    },
  ];
  for (const check of checks) {
    const result = check();
    if (result !== null) return result;
  }
  return false;
}

const HEX_DIGITS = { sha256: 64, sha512: 128 } as const;
type Algorithm = keyof typeof HEX_DIGITS;

/**
 * null when the header is absent.
 *
 * @param algorithms names allowed before "="; `bare`: SHA-256 without a name
 */
function hexHmac(
  { body, secret }: HookMessage,
  header: string | null,
  algorithms: readonly Algorithm[] | "bare",
): boolean | null {
  if (header === null) return null;
  const name = algorithms === "bare" ? "sha256" : algorithms.find((known) => header.startsWith(`${known}=`));
  if (name === undefined) return false;
  const given = algorithms === "bare" ? header : header.slice(name.length + 1);
  if (given.length !== HEX_DIGITS[name] || !/^[0-9a-f]+$/i.test(given)) return false;
  const right = createHmac(name, secret).update(body).digest();
  return timingSafeEqual(right, Buffer.from(given, "hex"));
}

function isStandard({ headers, body, secret, now }: HookMessage): boolean {
  const id = headers.get("webhook-id") ?? "";
  const timestamp = headers.get("webhook-timestamp") ?? "";
  if (id === "" || !/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(now - Number(timestamp) * 1_000) > TIMESTAMP_MS_MAX) return false;
  const right = createHmac("sha256", standardKey(secret)).update(`${id}.${timestamp}.`).update(body).digest();
  const signatures = (headers.get("webhook-signature") ?? "").split(" ").slice(0, SIGNATURES_MAX);
  return signatures.some((signature) => {
    if (!signature.startsWith("v1,")) return false;
    const given = Buffer.from(signature.slice(3), "base64");
    return given.length === right.length && timingSafeEqual(given, right);
  });
}

/** "whsec_" and base64, or the secret as it is. */
function standardKey(secret: string): Buffer {
  return secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret);
}

/**
 * Names one delivery, the same when it is sent again; null where the sender gives no name. GitLab's X-Gitlab-Event-UUID is
 * none: events that follow from one another share it.
 */
export function deliveryOf(headers: Headers): string | null {
  const names = [
    "webhook-id",
    "x-github-delivery",
    "x-forgejo-delivery",
    "x-gitea-delivery",
    "idempotency-key",
    "x-request-uuid",
    "x-request-id",
  ];
  for (const name of names) {
    const id = headers.get(name);
    if (id !== null && id !== "") return id.slice(0, 200);
  }
  return null;
}
